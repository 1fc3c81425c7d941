"""A bundle of one model: the fold with the best validation score, or one model of all patients."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import predictions
from oceanpath.artifacts.bundle import folder as bundle
from oceanpath.artifacts.bundle.facts import FinalFacts, StoredParity
from oceanpath.artifacts.external import write_external
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.serving.engine import Engine
from oceanpath.stages.export import work
from oceanpath.stages.export.calibrate import calibrate_members, ensemble_threshold
from oceanpath.stages.export.card import render_card
from oceanpath.stages.export.ensemble import Ensemble, load_members
from oceanpath.stages.export.external import describe_external
from oceanpath.stages.export.facts import describe_cohort, describe_performance, training_patients
from oceanpath.stages.export.replay import EvaluatedPredictions, replay, replayed_line
from oceanpath.stages.export.runners import torch_runner
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.stages.export.shipped import shipped_models

from .conftest import CLASSES, DIM, OBJECTIVE, SMALL_ABMIL, TASK, Study
from .example_facts import example_facts, parity

QUICK = ExportSettings(formats=("onnx",), parity_patches=(3,))
BEST, REFIT = QUICK.model_copy(update={"final": "best_fold"}), QUICK.model_copy(update={"final": "refit"})


def with_scores(study: Study, out: Path, scores: list[float]) -> Inputs:
    """The study with these validation AUROCs of the folds."""
    shutil.copytree(study.train, out)
    results = predictions.read_cv_results(out)
    entries = [
        {**entry, "monitor": "val_auroc", "val_auroc": score}
        for entry, score in zip(results["per_fold"], scores, strict=True)
    ]
    predictions.write_cv_results({**results, "per_fold": entries}, out)
    return Inputs({**study.inputs().parents, "train": out})


@pytest.fixture(scope="module")
def refit(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The study with a model of all slides."""
    root = tmp_path_factory.mktemp("refit")
    (root / "fold_0").mkdir()
    classifier = WSIClassifier(parse_model(SMALL_ABMIL), DIM, CLASSES)
    save_checkpoint(classifier, OBJECTIVE, root / "fold_0" / "best.ckpt")
    tables = [predictions.read_predictions(study.train / f"fold_{k}" / "preds_val.parquet", TASK) for k in range(2)]
    predictions.write_predictions(pd.concat(tables), root / "fold_0" / "preds_val.parquet", TASK)
    embeddings, ids = predictions.read_embeddings(study.train / "fold_0")
    predictions.write_embeddings(np.asarray(embeddings), ids.assign(role="train"), root / "fold_0")
    facts = {"epochs": 3, "fold_epochs": [2, 3], "slides": 60, "patients": 30}
    entry = {"fold": 0, "threshold": 0.4, "is_out_of_fold": True}
    results = predictions.read_cv_results(study.train)
    predictions.write_cv_results({**results, "folds": 1, "per_fold": [entry], "refit": facts}, root)
    return Inputs({**study.inputs().parents, "refit": root})


@pytest.fixture(scope="module")
def bundled(refit: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle")
    settings = QUICK.model_copy(update={"final": "refit"})
    summary = work.run(settings, Inputs({**refit.parents, "external.B": Path("not read")}), out, Quiet())
    bundle.check(out)
    assert summary.lines[1].startswith("agrees with torch on 60 slides of the cohort within ")
    return out


@pytest.mark.parametrize(("scores", "best"), [([0.7, 0.8], 1), ([0.8, 0.7], 0), ([0.8, 0.8], 0)])
def test_the_best_fold_is_that_of_the_validation_score(
    study: Study, tmp_path: Path, scores: list[float], best: int
) -> None:
    inputs = with_scores(study, tmp_path / "train", scores)
    shipped = shipped_models(BEST, inputs)
    assert shipped.folds == (best,) and shipped.results["folds"] == 1 and not shipped.is_refit
    assert shipped.final == FinalFacts(
        choice="best_fold",
        description=f"the model of fold {best}, which has the best validation score of 2 folds (val_auroc 0.8000)",
    )
    (member,) = calibrate_members(shipped.train, shipped.results, fit_temperatures=True)
    assert member.fold == best
    tested = training_patients(shipped.train, shipped.folds)
    assert len(tested) == 30 == describe_cohort(inputs["train"], [best], Store(study.mmap), TASK).slides


def test_all_folds_are_shipped_by_default(study: Study) -> None:
    shipped = shipped_models(ExportSettings(), study.inputs())
    assert shipped.folds == (0, 1) and shipped.final is None and shipped.train == study.train
    assert "final" not in example_facts().model_dump(mode="json")


def test_the_best_fold_reproduces_its_own_test_predictions(study: Study) -> None:
    run = torch_runner(Ensemble([study.classifiers[1]], [1.0]))
    stored = EvaluatedPredictions(study.train, Store(study.mmap), OBJECTIVE, coords=False, folds=(1,))
    found = replay(stored, {"onnx": run}, QUICK)
    assert (found.rows, found.total) == (30, 30) and found.differences["onnx"] < 1e-6
    wrong = torch_runner(Ensemble([study.classifiers[0]], [1.0]))
    with pytest.raises(StageError, match="differs from the evaluated predictions"):
        replay(stored, {"onnx": wrong}, QUICK)


def test_external_results_are_those_of_the_exported_model(study: Study, tmp_path: Path) -> None:
    shipped = shipped_models(BEST, with_scores(study, tmp_path / "train", [0.7, 0.8]))
    rows = [predictions.read_oof(study.train, TASK).assign(fold=fold, role="test") for fold in range(2)]
    rows[0] = rows[0].assign(prob_NR=0.5, prob_R=0.5)
    (tmp_path / "external").mkdir()
    write_external(pd.concat(rows, ignore_index=True), tmp_path / "external", TASK)
    members = calibrate_members(shipped.train, shipped.results, fit_temperatures=False)
    threshold = ensemble_threshold(members, TASK, ["b"])
    settings = QUICK.model_copy(update={"resamples": 10})
    (found,) = describe_external(settings, {"b": tmp_path / "external"}, shipped.results, (members, threshold), TASK)
    own = rows[1]
    p, is_r = own["prob_R"].to_numpy(), (own["label"] == "R").to_numpy()
    assert found.slide["brier"].value == pytest.approx(((p - is_r) ** 2).mean())


def test_a_refit_is_one_model_with_the_cohort_of_all_folds(refit: Inputs) -> None:
    shipped = shipped_models(REFIT, refit)
    assert shipped.train == refit["refit"] and shipped.is_refit and shipped.folds == (0,)
    assert shipped.results["folds"] == 1 and len(shipped.results["per_fold"]) == 1


def test_a_refit_is_compared_with_torch_on_slides_of_the_cohort(refit: Inputs) -> None:
    model = load_members(refit["refit"], [0], DIM, TASK)[0].model
    run = torch_runner(Ensemble([model], [1.0]))
    stored = EvaluatedPredictions(
        refit["refit"], Store(refit["mmap"]), OBJECTIVE, coords=False, folds=(0,), is_refit=True
    )
    found = replay(stored, {"onnx": run}, QUICK)
    assert (found.rows, found.total) == (60, 0) and found.differences["onnx"] < 1e-6

    def shifted(*inputs: Any) -> list[np.ndarray]:
        probabilities, attention, logits = run(*inputs)
        return [probabilities, attention, logits + np.array([0.0, 0.01], np.float32)]

    with pytest.raises(StageError, match="onnx differs from PyTorch on a slide of the cohort"):
        replay(stored, {"onnx": shifted}, QUICK)


def test_the_bundle_and_its_card_state_that_a_refit_was_not_evaluated(bundled: Path) -> None:
    facts, card = bundle.read_facts(bundled), (bundled / bundle.CARD).read_text()
    assert facts.final is not None and facts.final.choice == "refit"
    assert "for 3 epochs, the 75th percentile of the numbers that the folds selected (2, 3)" in facts.final.description
    assert "this model itself was not evaluated" in facts.performance.meaning
    assert "The metrics are those of the models of all folds" in facts.performance.meaning
    assert facts.threshold.reason == (
        "determined from inner validation predictions of the models of the folds (Youden); not evaluated for this model"
    )
    (member,) = facts.members
    assert member.n_val == 50 and member.raw_threshold == 0.4
    assert member.reason == "fitted; from inner validation predictions of the models of the folds"
    assert facts.parity.stored.total == 0 and facts.parity.stored.rows == 60
    assert facts.external == [] and facts.cohort is not None and facts.cohort.slides == 60
    for words in (
        "| Choice | one model that was trained on all 60 slides of 30 patients",
        "The model itself was not tested.",
        "There are no evaluated predictions of this model. 60 slides of the cohort were predicted with every exported",
        "| all | 50 |",
    ):
        assert words in card, words


def test_the_served_prediction_is_that_of_the_model_of_all_patients(refit: Inputs, bundled: Path) -> None:
    engine, store = Engine.load(bundled), Store(refit["mmap"])
    model = load_members(refit["refit"], [0], DIM, TASK)[0].model
    temperature = engine.facts.members[0].temperature
    run = torch_runner(Ensemble([model], [temperature]))
    bag = store.features(9)
    expected = run(bag.astype(np.float32)[None], None)[0][0]
    assert np.abs(engine.predict(bag).probabilities - expected).max() < 1e-6 and temperature != 1.0


def test_the_card_of_the_best_fold_names_what_was_evaluated(study: Study) -> None:
    final = FinalFacts(choice="best_fold", description="the model of fold 1")
    performance = describe_performance(read_metrics(study.eval), 1, final=final)
    assert performance.meaning.startswith("The bundle has the model of fold 1. The metrics are those of the models of")
    card = render_card(example_facts(final=final, performance=performance))
    assert "| Choice | the model of fold 1 |" in card and "tested only on patients of the same cohort" in card


def test_a_comparison_is_stated_in_one_line() -> None:
    assert replayed_line(parity().stored) == "reproduces 50 of 60 stored test predictions within 3.0e-07"
    alone = StoredParity(rows=7, total=0, differences={"onnx": 1e-7})
    assert replayed_line(alone) == "agrees with torch on 7 slides of the cohort within 1.0e-07"
