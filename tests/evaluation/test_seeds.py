"""Mean and standard deviation over seeds, and comparisons of models with different numbers of seeds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.artifacts.tested_slides import plan_of_seeds
from oceanpath.cli.results import metrics_table
from oceanpath.evaluation.comparison import comparison_report, table_rows
from oceanpath.evaluation.model_rows import VariantRows, by_slide_and_repeat, match_seeds
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.tasks.classification import Classification

TASK, N = Classification(["neg", "pos"]), 60
LABEL = np.arange(N) // 2 % 2
OPTIONS = SimpleNamespace(resamples=100, confidence=0.95, seed=1, margin=None)


def predicted(seeds: int, skill: float, first: int = 0) -> pd.DataFrame:
    """Test rows of two folds for each seed, numbered over the seeds."""
    frames = []
    for number in range(seeds):
        score = 1 / (1 + np.exp(-skill * (LABEL - 0.5) - np.random.default_rng(first + number).normal(size=N)))
        frame = pd.DataFrame({"slide_id": [f"s{i:02d}" for i in range(N)], "patient_id": [f"p{i}" for i in range(N)]})
        frame = frame.assign(label=np.where(LABEL, "pos", "neg"), prob_neg=1 - score, prob_pos=score)
        frames.append(frame.assign(fold=np.arange(N) // 2 // 2 % 2 + 2 * number, role="test"))
    return pd.concat(frames).sort_values(["fold", "slide_id"], ignore_index=True)


def variant(seeds: int, skill: float, first: int = 0) -> pd.DataFrame:
    frame = predicted(seeds, skill, first)
    number = frame["fold"] // 2
    return by_slide_and_repeat(frame.assign(fold=frame["fold"] % 2, seed=number, repeat=number, n_seeds=seeds))


def areas(frame: pd.DataFrame) -> list[float]:
    return [roc_auc_score(rows["label"] == "pos", rows["prob_pos"]) for _, rows in frame.groupby("seed")]


def reported(selected: bool) -> dict[str, Any]:
    frame = predicted(3, 2.0)
    plan = plan_of_seeds([{"repeat": 0, "ensemble": k, "name": ""} for k in range(2)], [4, 5, 6])
    facts = [{"fold": k, "best_epoch": 0, "epochs": 1, "val_loss": 0.5, "threshold": 0.5} for k in range(6)]
    results = {"plan": plan, "folds": 6, "per_fold": facts, "scheme": "kfold", "selected": selected}
    rows = ReportedRows(frame, TASK, TASK.targets(frame["label"].tolist()), TASK.values(frame), results, frame)
    baselines = {name: np.full((len(frame), 2), 0.5) for name in TASK.baselines}
    return build_report(OPTIONS, rows, baselines)


def test_the_reported_metric_is_the_mean_over_the_seeds_with_its_standard_deviation() -> None:
    report, frame = reported(selected=False), variant(3, 2.0)
    record = report["seeds"]["slide"]["auroc"]
    assert report["seeds"]["seeds"] == [4, 5, 6]
    assert record["by_seed"] == pytest.approx(areas(frame), abs=1e-12)
    assert record["sd"] == pytest.approx(np.std(areas(frame), ddof=1))
    assert record["value"] == pytest.approx(report["level"]["slide"]["auroc"]["value"], abs=1e-12)
    assert report["ensemble"]["slide"]["auroc"]["value"] > record["value"], "the mean prediction is another method"
    assert any(
        note.startswith("seeds: metrics are means over 3 seeds (4, 5, 6), those of one") for note in report["notes"]
    )
    table = metrics_table(report, "mine", 0.95)
    assert "standard deviation over 3 seeds" in table and "mean prediction of 3 models" in table


def test_metrics_of_selected_rows_are_marked_in_every_seed() -> None:
    report = reported(selected=True)
    assert all(record["selected"] is True for record in report["seeds"]["slide"].values())


def test_a_model_with_fewer_seeds_is_compared_by_its_own_mean() -> None:
    frames = match_seeds({"two": variant(2, 2.0, 10), "three": variant(3, 2.0, 20)})
    assert [len(frame) for frame in frames.values()] == [6 * N, 6 * N] and frames["two"].index.equals(
        frames["three"].index
    )
    report = comparison_report(OPTIONS, VariantRows.of(TASK, frames), [])
    two, three = areas(variant(2, 2.0, 10)), areas(variant(3, 2.0, 20))
    assert report["models"]["two"]["value"] == pytest.approx(np.mean(two), abs=1e-12)
    assert report["models"]["three"]["value"] == pytest.approx(np.mean(three), abs=1e-12)
    found = report["pairs"][0]["seeds"]
    assert (found["sd_this"], found["sd_other"]) == pytest.approx((np.std(two, ddof=1), np.std(three, ddof=1)))
    assert "resampled_t" not in report["pairs"][0], "the seeds do not repeat the split"


def test_differences_within_the_noise_of_the_seeds_are_named() -> None:
    frames = match_seeds({"one": variant(3, 2.0, 10), "same": variant(3, 2.0, 11), "weak": variant(3, 0.2, 30)})
    rows = {row[0]: row[2] for row in table_rows(comparison_report(OPTIONS, VariantRows.of(TASK, frames), []))}
    assert "within seed noise" in rows["one"] + rows["same"] and "seed noise" not in rows["weak"]


def test_models_of_one_seed_have_no_seed_noise() -> None:
    frames = match_seeds({"one": variant(1, 2.0, 10), "same": variant(1, 2.0, 20)})
    assert "seeds" not in comparison_report(OPTIONS, VariantRows.of(TASK, frames), [])["pairs"][0]
