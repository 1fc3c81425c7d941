"""Survival, regression and grades from the label table to the metrics of their predictions, and grades to a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.cli.app import run_app
from oceanpath.stats.survival.concordance import harrell

TAIL = """
[mmap]
[split]
folds = 2
[model]
hidden = 16
[train]
epochs = 15
lr = 0.008
[eval]
resamples = 100
"""
SURVIVAL = """
[data]
features = "features"
labels = "cohort.csv"
task = "survival"
time = "months"
event = "status"
event_value = "dead"
time_unit = "months"
zero_time = "drop"
"""
REGRESSION = '[data]\nfeatures = "features"\nlabels = "cohort.csv"\nlabel = "score"\ntask = "regression"\n'
ORDINAL = """
[data]
features = "features"
labels = "cohort.csv"
label = "grade"
task = "ordinal"
classes = ["low", "medium", "high"]
[export]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides whose third feature grows with a score and shortens the time to the event."""
    folder, random, rows = tmp_path_factory.mktemp("cohort"), np.random.default_rng(3), []
    (folder / "features").mkdir()
    for number in range(60):
        score = random.uniform(-2, 2)
        features = random.standard_normal((int(random.integers(5, 30)), 8)).astype(np.float32)
        features[:, 2] += score
        with h5py.File(folder / "features" / f"s{number:02d}.h5", "w") as file:
            file["features"] = features
            file["coords"] = 256 * np.arange(2 * len(features), dtype=np.int32).reshape(-1, 2)
        time, censored = 20 * np.exp(-score) * random.exponential() + 1, random.uniform(5, 90)
        status = "dead" if time < censored else "alive"
        months = 0.0 if number == 7 else min(time, censored)
        grade = ("low", "medium", "high")[int(np.digitize(score, [-0.7, 0.7]))]
        rows.append([f"s{number:02d}", f"p{number:02d}", f"{score:.2f}", f"{months:.2f}", status, grade])
    columns = ["slide_id", "patient_id", "score", "months", "status", "grade"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "cohort.csv", index=False)
    return folder


def run(folder: Path, name: str, text: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    (folder / f"{name}.toml").write_text(text + TAIL)
    assert run_app(["run", str(folder / f"{name}.toml"), "--workspace", str(folder / "out")]) == 0
    results = folder / "out" / "experiments" / name
    rows = pd.read_parquet(results / "train" / "oof_predictions.parquet")
    return rows, json.loads((results / "eval" / "metrics.json").read_text())


@pytest.mark.slow
def test_survival(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, metrics = run(folder, "survival", SURVIVAL)
    printed = capsys.readouterr()
    assert "C-index" in printed.out and "slides with an event" in printed.err
    assert len(rows) == 59 and metrics["cohort_flow"]["excluded"] == {"with a time of zero (data.zero_time)": 1}
    censored = rows["label"].str.endswith("+").to_numpy()
    time = rows["label"].str.removesuffix("+").to_numpy(np.float64)
    slide = metrics["level"]["slide"]
    assert slide["c_index"]["value"] == pytest.approx(harrell(time, ~censored, rows["risk"].to_numpy()).value, abs=1e-6)
    assert slide["c_index"]["value"] > 0.6
    assert metrics["floor"]["kaplan_meier"]["c_index"]["value"] == 0.5
    assert metrics["operating_point"]["patient"]["log_rank_p"]["value"] < 0.01
    for name in ("kaplan_meier", "brier", "learning"):
        assert (folder / f"out/experiments/survival/eval/{name}.png").stat().st_size > 0


@pytest.mark.slow
def test_regression(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, metrics = run(folder, "regression", REGRESSION)
    assert "R²" in capsys.readouterr().out
    error = rows["predicted"] - rows["label"].astype(float)
    assert metrics["level"]["slide"]["mae"]["value"] == pytest.approx(error.abs().mean())
    assert metrics["level"]["slide"]["r2"]["value"] > 0.4
    assert (folder / "out/experiments/regression/eval/agreement.png").stat().st_size > 0


@pytest.mark.slow
def test_ordinal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, metrics = run(folder, "ordinal", ORDINAL)
    assert "Quadratic kappa" in capsys.readouterr().out
    assert list(rows.columns)[3:6] == ["prob_low", "prob_medium", "prob_high"]
    slide = metrics["level"]["slide"]
    assert slide["kappa_quadratic"]["value"] > 0.3 and slide["auroc_from_high"]["value"] > 0.7
    bundle = folder / "out/experiments/ordinal/export"
    out = folder / "predictions.csv"
    words = [str(bundle), str(folder / "features"), "--members", "--out", str(out)]
    assert run_app(["predict", *words]) == 0
    table, grades = pd.read_csv(out).set_index("slide_id"), ["prob_low", "prob_medium", "prob_high"]
    assert table[grades].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    for row in rows.to_dict("records"):  # each member predicts its test slides as they were evaluated
        own = table.loc[row["slide_id"], [f"{grade}_fold{row['fold']}" for grade in grades]].to_numpy(float)
        assert own == pytest.approx([row[grade] for grade in grades], abs=1e-5)
