"""Slides that several models test: means over repeats, ensembles of inner folds, the ensemble of all models."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.tested_slides import average_models
from oceanpath.errors import StageError
from oceanpath.evaluation.report import build_report
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.eval import work
from oceanpath.stages.eval.baselines import predict_baselines
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.tasks.classification import Classification

from .conftest import table, write_bags

CLASSES = ["neg", "pos"]
TASK = Classification(CLASSES)
QUICK = EvalSettings(resamples=100)
OWNER = np.repeat(np.arange(30), 2)


def slides() -> pd.DataFrame:
    frame = pd.DataFrame({"slide_id": [f"s{i:03d}" for i in range(60)]})
    return frame.assign(patient_id=[f"p{k:02d}" for k in OWNER], label=[CLASSES[k // 3 % 2] for k in OWNER])


def build(root, tests, plan, scheme):
    """Folders of a cohort; `tests` has the tested patients of every fold, and the next third validates."""
    for name in ("mmap", "split", "train"):
        (root / name).mkdir()
    write_bags(root / "mmap", slides(), CLASSES)
    frames, tested = [], []
    for number, test in enumerate(tests):
        rest = [k for k in range(30) if k not in test]
        role = np.where(np.isin(OWNER, list(test)), "test", np.where(np.isin(OWNER, rest[:8]), "val", "train"))
        frames.append(slides().assign(role=role))
        folder = root / f"train/fold_{number}"
        folder.mkdir()
        val = table(frames[-1], CLASSES, number, "val", 1.0)
        predictions.write_predictions(val, folder / "preds_val.parquet", TASK)
        losses = [{"epoch": 0, "train_loss": 0.7, "val_loss": 0.6}]
        (folder / "history.json").write_text(json.dumps(losses))
        tested.append(table(frames[-1], CLASSES, number, "test", 1.0))
    record = {"classes": CLASSES, "scheme": scheme, "plan": plan}
    folds.write_folds(root / "split", frames, record)
    folds.check(root / "split")
    predictions.write_predictions(pd.concat(tested), root / "train/oof_predictions.parquet", TASK)
    per_fold = [
        {"fold": k, "best_epoch": 0, "epochs": 1, "val_loss": 0.6, "threshold": 0.3 + 0.1 * k}
        for k in range(len(tests))
    ]
    results = {**record, "folds": len(tests), "model": {"name": "static"}, "per_fold": per_fold, "selected": False}
    predictions.write_cv_results(results, root / "train")
    return Inputs(parents={name: root / name for name in ("train", "mmap", "split")}), pd.concat(tested)


def evaluate(inputs):
    rows = read_rows(inputs["train"], inputs["split"])
    return build_report(QUICK, rows, predict_baselines(rows, inputs, Quiet()))


def entry(repeat, ensemble):
    return {"repeat": repeat, "ensemble": ensemble, "name": ""}


@pytest.fixture
def monte_carlo(tmp_path):
    """Three repeats that test overlapping thirds."""
    tests = [set(range(start, start + 12)) for start in (0, 6, 18)]
    return build(tmp_path, tests, [entry(k, k) for k in range(3)], "mccv")


def test_metrics_are_means_over_repeats_with_the_numbers_of_slides_and_patients(monte_carlo):
    inputs, rows = monte_carlo
    found = evaluate(inputs)
    parts = [group for _, group in rows.groupby("fold")]
    slide = np.mean([roc_auc_score(part["label"] == "pos", part["prob_pos"]) for part in parts])
    assert found["repeats"] == 3 and found["scheme"] == "mccv"
    assert found["level"]["slide"]["auroc"]["value"] == pytest.approx(slide, abs=1e-12)
    assert found["level"]["slide"]["auroc"]["low"] < slide < found["level"]["slide"]["auroc"]["high"]
    patients = [part.groupby("patient_id").agg({"label": "first", "prob_pos": "mean"}) for part in parts]
    value = np.mean([roc_auc_score(part["label"] == "pos", part["prob_pos"]) for part in patients])
    assert found["level"]["patient"]["auroc"]["value"] == pytest.approx(value, abs=1e-12)
    assert (found["level"]["slide"]["auroc"]["n"], found["level"]["slide"]["auroc"]["n_patients"]) == (60, 30)
    assert found["level"]["patient"]["auroc"]["n"] == 30
    assert any(note.startswith("repeats: metrics are means over 3 repeats") for note in found["notes"])
    assert [fold["n"] for fold in found["folds"]] == [24, 24, 24]


def test_decisions_are_counted_over_all_repeats_at_each_models_threshold(monte_carlo):
    inputs, rows = monte_carlo
    point = evaluate(inputs)["operating_point"]["slide"]["sensitivity"]
    positive = rows[rows["label"] == "pos"]
    assert point["value"] == pytest.approx((positive["prob_pos"] >= 0.3 + 0.1 * positive["fold"]).mean())
    assert point["n"] == 72


def test_the_ensemble_of_models_that_did_not_see_the_patient_is_evaluated(monte_carlo):
    inputs, rows = monte_carlo
    found = evaluate(inputs)["ensemble"]
    mean = average_models(rows, TASK.columns)
    expected = roc_auc_score(mean["label"] == "pos", mean["prob_pos"])
    assert found["slide"]["auroc"]["value"] == pytest.approx(expected, abs=1e-12)
    assert found["models"] == {"fewest": 1, "median": 1.0, "most": 2}
    assert found["slide"]["auroc"]["n"] == 60 and found["patient"]["auroc"]["n"] == 30


def test_baselines_are_means_over_the_same_repeats(monte_carlo):
    inputs, _ = monte_carlo
    found = evaluate(inputs)
    for name, record in found["versus_baseline"].items():
        difference = found["level"]["slide"]["auroc"]["value"] - found["floor"][name]["auroc"]["value"]
        assert record["value"] == pytest.approx(difference, abs=1e-12)
    assert found["floor"]["majority"]["auroc"]["value"] == 0.5


def test_models_of_inner_folds_predict_as_an_ensemble(tmp_path):
    tests = [set(range(15))] * 2 + [set(range(15, 30))] * 2
    inputs, rows = build(tmp_path, tests, [entry(0, 0), entry(0, 0), entry(0, 2), entry(0, 2)], "nested")
    found = evaluate(inputs)
    mean = rows.groupby(["slide_id"], as_index=False).agg({"label": "first", "prob_pos": "mean", "fold": "min"})
    value = roc_auc_score(mean["label"] == "pos", mean["prob_pos"])
    assert found["repeats"] == 1 and found["ensemble"] is None
    assert found["level"]["slide"]["auroc"]["value"] == pytest.approx(value, abs=1e-12)
    assert found["level"]["slide"]["auroc"]["n"] == 60
    cut = np.where(mean["fold"] == 0, 0.35, 0.55)[mean["label"] == "pos"]
    sensitivity = (mean.loc[mean["label"] == "pos", "prob_pos"] >= cut).mean()
    assert found["operating_point"]["slide"]["sensitivity"]["value"] == pytest.approx(sensitivity)
    assert any(note.startswith("ensembles: each test slide has the mean prediction of 2") for note in found["notes"])
    assert len(found["folds"]) == 4


def test_a_slide_that_two_ensembles_of_a_repeat_test_is_refused(tmp_path):
    tests = [set(range(15)), set(range(15, 30))]
    inputs, _ = build(tmp_path, tests, [entry(0, 0), entry(0, 1)], "kfold")
    path = inputs["train"] / "oof_predictions.parquet"
    frame = predictions.read_predictions(path, TASK)
    twice = pd.concat([frame, frame.iloc[:1].assign(fold=1)])
    predictions.write_predictions(twice, path, TASK)
    with pytest.raises(StageError, match="more than once within a repeat"):
        read_rows(inputs["train"], inputs["split"])


def test_an_evaluation_with_repeats_is_published_whole(monte_carlo, tmp_path):
    inputs, _ = monte_carlo
    (tmp_path / "out").mkdir()
    work.run(QUICK, inputs, tmp_path / "out", Quiet())
    work.check(tmp_path / "out")
    assert read_metrics(tmp_path / "out")["ensemble"]["slide"]["auroc"]["n"] == 60
