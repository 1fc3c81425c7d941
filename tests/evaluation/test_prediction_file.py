"""Predictions that another program wrote are evaluated as our own, and faults of the table are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.errors import ExperimentError
from oceanpath.evaluation.own_metrics import load_metric, own_metrics, resample_metrics
from oceanpath.evaluation.prediction_file import PredictionColumns, read_prediction_file
from oceanpath.evaluation.report import build_report
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.resample import draw_patients

RANDOM, N = np.random.default_rng(0), 40
LABEL = np.arange(N) // 2 % 2
SCORE = np.clip(0.3 * LABEL + RANDOM.random(N) * 0.7, 0, 1)
TABLE = pd.DataFrame(
    {
        "slide_id": [f"s{i:02d}" for i in RANDOM.permutation(N)],
        "case_id": [f"p{i // 2}" for i in range(N)],
        "label": np.where(LABEL, "pos", "neg"),
        "prob_neg": 1 - SCORE,
        "prob_pos": SCORE,
        "fold": np.arange(N) // 2 % 3 + 8,
        "sex": np.where(np.arange(N) < 20, "f", "m"),
    }
)
TWO = {"task_settings": {"classes": ("neg", "pos")}}


def write(tmp_path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path / "theirs.csv"


def test_a_table_with_usual_names_is_read_with_patients_folds_and_further_columns(tmp_path: Path) -> None:
    read = read_prediction_file(write(tmp_path, TABLE), PredictionColumns())
    rows, source = read.rows, TABLE.set_index("slide_id")
    assert rows.task.columns == ["prob_neg", "prob_pos"] and rows.results["folds"] == 3
    assert rows.frame["fold"].tolist() == sorted(rows.frame["fold"])
    for slide, patient, values, sex in zip(
        rows.frame["slide_id"], rows.patients, rows.values, read.columns["sex"], strict=True
    ):
        own = source.loc[slide]
        assert (patient, sex) == (own["case_id"], own["sex"]) and values[1] == own["prob_pos"]
    report = build_report(EvalSettings(resamples=100), rows, {})
    assert report["level"]["slide"]["auroc"]["value"] == pytest.approx(auroc(rows.targets, rows.values).value)
    assert report["level"]["patient"]["auroc"]["n"] == 20 and report["floor"] == {}
    assert report["operating_point"] is None


def test_one_score_without_patients_and_a_stated_threshold(tmp_path: Path) -> None:
    table = TABLE.rename(columns={"slide_id": "filename", "label": "y_true", "prob_pos": "y_score"})
    path = write(tmp_path, table[["filename", "y_true", "y_score"]])
    read = read_prediction_file(path, PredictionColumns(threshold=0.5, **TWO))  # type: ignore[arg-type]  # a mapping
    assert (
        read.rows.values.sum(axis=1) == pytest.approx(1) and read.rows.patients == read.rows.frame["slide_id"].tolist()
    )
    assert any(note.startswith("no_patients") for note in read.notes)
    assert "slide_id = filename, label = y_true, predictions = y_score" in read.notes[0]
    point = build_report(EvalSettings(resamples=100), read.rows, {})["operating_point"]
    assert point["slide"]["sensitivity"]["value"] == pytest.approx((SCORE[LABEL == 1] >= 0.5).mean())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slide_id": ["s"] * N}, "more than once"),
        ({"prob_pos": 0.9, "prob_neg": 0.9}, "do not sum to 1"),
        ({"prob_pos": "high"}, "not a number; got 'high'"),
        ({"label": ["", *TABLE["label"][1:]]}, r"slides have no label; got 1: s\d\d. Add the labels"),
        ({"label": "other"}, "other"),
    ],
)
def test_a_fault_of_the_table_is_an_error(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        read_prediction_file(write(tmp_path, TABLE.assign(**change)), PredictionColumns())


def test_columns_that_are_missing_are_errors_with_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.drop(columns=["prob_neg", "prob_pos"]).assign(logit=3.0))
    with pytest.raises(ExperimentError, match=r"classes are unknown.*data.classes"):
        read_prediction_file(path, PredictionColumns())
    with pytest.raises(ExperimentError, match="with --score"):
        read_prediction_file(path, PredictionColumns(**TWO))  # type: ignore[arg-type]  # a mapping
    with pytest.raises(ExperimentError, match="scores are not probabilities; expected 0 to 1, got 3 to 3"):
        read_prediction_file(path, PredictionColumns(score="logit", **TWO))  # type: ignore[arg-type]  # a mapping
    with pytest.raises(ExperimentError, match="no column 'dx'"):
        read_prediction_file(path, PredictionColumns(label="dx", score="logit", **TWO))  # type: ignore[arg-type]  # a mapping


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    table = TABLE.assign(role=["val"] * 10 + ["test"] * 30)
    table.loc[20, "label"] = ""
    read = read_prediction_file(write(tmp_path, table), PredictionColumns(allow_missing=True))
    assert len(read.rows.targets) == 29
    assert any("10 rows of other roles" in note for note in read.notes)
    assert any("1 slides without a label are left out" in note for note in read.notes)


def cost(targets: np.ndarray, values: np.ndarray) -> float:
    """Ten times the missed positives plus the false alarms, per slide."""
    called = values[:, 1] >= 0.5
    return float(np.mean(10 * (targets == 1) * ~called + (targets == 0) * called))


def test_a_metric_of_the_users_own_has_an_interval_over_patients(tmp_path: Path) -> None:
    read = read_prediction_file(write(tmp_path, TABLE), PredictionColumns())
    found = own_metrics(EvalSettings(resamples=100), read.rows, [f"{__name__}:cost"])
    record = found["slide"]["cost"]
    assert record["value"] == pytest.approx(cost(read.rows.targets, read.rows.values))
    assert record["low"] < record["value"] < record["high"] and record["n_patients"] == 20
    assert found["patient"]["cost"]["n"] == 20
    drawn = draw_patients(read.rows.patients, read.rows.targets, resamples=5, seed=1)
    area = resample_metrics({"a": lambda y, p: auroc(y, p).value or 0.0}, read.rows.targets, read.rows.values, drawn)
    expected = read.rows.task.compare(read.rows.targets, read.rows.values, drawn)
    assert area.samples["a"] == pytest.approx(expected.samples["auroc"])
    nothing = resample_metrics({"a": lambda _y, _p: np.nan}, read.rows.targets, read.rows.values, drawn)
    assert "no finite number" in nothing.estimate("a").reason


def test_a_changed_metric_is_another_identity_and_a_missing_one_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "mylab_metrics.py"
    module.write_text("def cost(y, p):\n    return 1.0\n")
    settings = EvalSettings(metrics=("mylab_metrics:cost",))
    before = settings.identity()
    module.write_text("def cost(y, p):\n    return 2.0\n")
    assert settings.identity() != before and "metric_sources" not in EvalSettings().identity()
    assert "metrics" not in EvalSettings().identity()
    with pytest.raises(ValueError, match="names no function of an installed module"):
        EvalSettings(metrics=("no_such_module:cost",))
    with pytest.raises(ExperimentError, match="no such function"):
        load_metric("mylab_metrics:price")
