"""One model of all patients: its length, its slides, and decisions that do not come from its own predictions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from oceanpath.artifacts import predictions
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.search_settings import SearchSettings
from oceanpath.pipeline.stage import Inputs, ParentSources, Quiet
from oceanpath.stages.train.preflight import preflight, preflight_refit
from oceanpath.stages.train.refit import check, choose_epochs, improved_epochs, run, searched
from oceanpath.stages.train.settings import RefitSettings, TrainSettings
from oceanpath.stats.thresholds import youden_threshold

from .conftest import CLASSES, write_inputs
from .test_work import QUICK, TASK, contents, whole

SETTINGS = RefitSettings(train=QUICK.model_copy(update={"final": "refit", "epochs": 4}))


class Refit(NamedTuple):
    """The inputs of a refit, and what it published."""

    inputs: Inputs
    out: Path


def refit(inputs: Inputs, out: Path) -> Path:
    out.mkdir()
    run(SETTINGS, inputs, out, Quiet())
    check(out)
    return out


@pytest.fixture(scope="module")
def refitted(tmp_path_factory: pytest.TempPathFactory) -> Refit:
    root = tmp_path_factory.mktemp("refit")
    inputs = write_inputs(root / "inputs", CLASSES)
    train = whole(SETTINGS.train, inputs, root / "train")
    inputs = Inputs({**inputs.parents, "train": train}, inputs.digests)
    return Refit(inputs, refit(inputs, root / "out"))


@pytest.mark.parametrize(
    ("of_folds", "number", "fold"),
    [([7], 7, 0), ([2, 2, 5, 3, 3], 3, 3), (list(range(1, 11)), 8, 7), ([4, 4, 4, 9], 4, 0), ([9, 1, 9, 1], 9, 0)],
)
def test_three_quarters_of_the_folds_do_not_exceed_the_number_of_epochs(
    of_folds: list[int], number: int, fold: int
) -> None:
    chosen = choose_epochs({"per_fold": [{"best_epoch": epochs - 1} for epochs in of_folds]})
    assert chosen == (of_folds, number, fold)


def test_improved_epochs_are_those_of_the_training() -> None:
    losses = [0.7, 0.6, 0.65, float("nan"), 0.6, 0.5]
    history = [{"epoch": epoch, "val_loss": loss} for epoch, loss in enumerate(losses)]
    assert improved_epochs(history, "val_loss", TASK) == [True, True, False, False, False, True]
    assert improved_epochs([{"val_loss": float("nan")}, {"val_loss": 0.5}], "val_loss", TASK) == [False, True]


def test_after_a_search_the_middle_values_of_the_folds_are_used() -> None:
    search = SearchSettings(trials=2, space={"lr": {"low": 1e-4, "high": 1e-2}})
    settings = TrainSettings(search=search)
    per_fold = [{"search": {"values": {"lr": lr}}} for lr in (1e-3, 5e-3, 2e-4)]
    found = searched(settings, {"per_fold": per_fold})
    assert found.lr == 1e-3 and found.search is None
    assert searched(settings, {"per_fold": [{}, {}]}) is settings


def test_the_model_is_trained_on_every_slide_for_the_epochs_of_the_folds(refitted: Refit) -> None:
    results = predictions.read_cv_results(refitted.out)
    folds = predictions.read_cv_results(refitted.inputs["train"])
    epochs = choose_epochs(folds)
    facts = {"epochs": epochs.number, "fold_epochs": epochs.of_folds, "slides": 24, "patients": 24}
    assert results["refit"] == facts and results["folds"] == 1 and results["classes"] == CLASSES
    embeddings, ids = predictions.read_embeddings(refitted.out / "fold_0")
    assert ids["slide_id"].tolist() == [f"slide_{i:02d}" for i in range(24)] and set(ids["role"]) == {"train"}
    state = load_checkpoint(refitted.out / "fold_0" / "best.ckpt").model.state_dict()
    for number in range(3):
        other = load_checkpoint(refitted.inputs["train"] / f"fold_{number}" / "best.ckpt").model.state_dict()
        assert not torch.equal(other["head.weight"], state["head.weight"])
    assert len(embeddings) == 24 and not (refitted.out / "fold_0" / "preds_test.parquet").exists()


def test_the_threshold_comes_from_validation_rows_of_the_models_of_the_folds(refitted: Refit) -> None:
    val = predictions.read_predictions(refitted.out / "fold_0" / "preds_val.parquet", TASK)
    assert val["fold"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for number in range(3):
        own = predictions.read_predictions(refitted.inputs["train"] / f"fold_{number}" / "preds_val.parquet", TASK)
        assert val[val["fold"] == number].reset_index(drop=True).equals(own)
    expected = youden_threshold((val["label"] == "yes").to_numpy(), val["prob_yes"].to_numpy()).value
    (entry,) = predictions.read_cv_results(refitted.out)["per_fold"]
    assert entry["threshold"] == expected and entry["is_out_of_fold"]


def test_no_test_prediction_takes_part(refitted: Refit, tmp_path: Path) -> None:
    """Other predictions of the tested slides, and another random state, give the same bytes."""
    shutil.copytree(refitted.inputs["train"], tmp_path / "train")
    for path in [*(tmp_path / "train").glob("fold_*/preds_test.parquet"), tmp_path / "train/oof_predictions.parquet"]:
        path.unlink()
    np.random.seed(5)
    torch.rand(7)
    inputs = Inputs({**refitted.inputs.parents, "train": tmp_path / "train"}, refitted.inputs.digests)
    assert contents(refit(inputs, tmp_path / "out")) == contents(refitted.out)


def test_the_check_reads_every_file(refitted: Refit, tmp_path: Path) -> None:
    for name in ("fold_0/best.ckpt", "fold_0/preds_val.parquet", "fold_0/embeddings.npy", "cv_results.json"):
        shutil.copytree(refitted.out, tmp_path / "out")
        (tmp_path / "out" / name).write_bytes(b"damaged")
        with pytest.raises(ArtifactError):
            check(tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
    shutil.copytree(refitted.out, tmp_path / "out")
    results = json.loads((tmp_path / "out" / "cv_results.json").read_text())
    (tmp_path / "out" / "cv_results.json").write_text(json.dumps({**results, "refit": None}))
    with pytest.raises(ArtifactError, match="refit"):
        check(tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"final": "refit", "selection": "reported"}, "test rows, which must not decide"),
        ({"final": "best_fold", "selection": "reported"}, "test rows, which must not decide"),
        ({"final": "refit", "soup": 2}, "cannot repeat an average of several"),
    ],
)
def test_a_model_that_must_not_be_exported_is_refused_before_training(changes: dict[str, object], words: str) -> None:
    (problem,) = preflight(TrainSettings.model_validate(changes), ParentSources()).problems
    assert words in problem.render()


def test_models_that_may_be_exported_are_accepted() -> None:
    for changes in (
        {"selection": "reported"},
        {"final": "best_fold", "soup": 2},
        {"final": "refit", "refit_fold": True},
    ):
        assert not preflight(TrainSettings.model_validate(changes), ParentSources()).problems


def test_one_model_needs_one_start_and_a_purpose() -> None:
    settings = RefitSettings(train=TrainSettings(), rows="fold_train")
    first, second = preflight_refit(settings, ParentSources()).problems
    assert 'Set train.final = "refit"' in first.render() and "one pretrained aggregator per fold" in second.render()
    assert not preflight_refit(SETTINGS, ParentSources()).problems


def test_the_choice_changes_no_identity_of_the_training() -> None:
    assert TrainSettings(final="refit").identity() == TrainSettings().identity()
