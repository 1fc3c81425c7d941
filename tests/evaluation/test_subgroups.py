"""A planted gap between groups is found, and operating points are those of inner validation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.evaluation.decisions import CALIBRATION, add_decisions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.subgroups import UNKNOWN, subgroup_lines, subgroup_report
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.thresholds import threshold_for_sensitivity
from oceanpath.tasks.classification import Classification

TASK = Classification(["neg", "pos"])
OPTIONS = SimpleNamespace(resamples=200, confidence=0.95, seed=1)


def frame(n: int, skill: np.ndarray | float, seed: int, prefix: str = "") -> pd.DataFrame:
    """Rows of n slides, two per patient, in two folds."""
    random, label = np.random.default_rng(seed), np.arange(n) // 2 % 2
    score = 1 / (1 + np.exp(-np.asarray(skill) * (label - 0.5) - random.normal(size=n)))
    table = pd.DataFrame({"slide_id": [f"{prefix}s{i:04d}" for i in range(n)]})
    table = table.assign(patient_id=[f"{prefix}p{i // 2}" for i in range(n)], label=np.where(label, "pos", "neg"))
    return table.assign(prob_neg=1 - score, prob_pos=score, fold=np.arange(n) // 4 % 2, role="test")


def rows_of(table: pd.DataFrame) -> ReportedRows:
    table = table.sort_values(["fold", "slide_id"], ignore_index=True)
    results: dict[str, Any] = {"scheme": "kfold", "selected": False, "folds": 2, "per_fold": [{"fold": 0}, {"fold": 1}]}
    return ReportedRows(table, TASK, TASK.targets(table["label"].tolist()), TASK.values(table), results, table)


def test_a_planted_gap_is_found_and_small_groups_are_listed() -> None:
    number = np.arange(400) // 2
    sex = np.where(number % 10 < 5, "f", "m")
    rows = rows_of(frame(400, np.where(sex == "f", 4.0, 0.0), seed=0))
    cells = dict(zip(frame(400, 0.0, seed=0)["slide_id"], sex, strict=True))
    own = [cells[name] for name in rows.frame["slide_id"]]
    age = ["" if name < "s0010" else "old" for name in rows.frame["slide_id"]]
    found = subgroup_report(OPTIONS, rows, {"sex": own, "age": age}, smallest=20)
    groups = found["columns"]["sex"]["groups"]
    is_f = np.asarray(own) == "f"
    assert groups["f"]["value"] == pytest.approx(auroc(rows.targets[is_f], rows.values[is_f]).value)
    assert groups["f"]["difference"]["value"] == pytest.approx(groups["f"]["value"] - groups["m"]["value"])
    assert found["columns"]["sex"]["worst"] == "m" and groups["m"]["difference"]["p_holm"] < 0.05
    assert found["columns"]["age"]["too_small"] == {UNKNOWN: 5} and found["family"] == 3
    assert any(line.startswith("subgroup_gap: sex m:") for line in subgroup_lines(found))


def test_without_a_gap_the_alarm_is_rare() -> None:
    alarms = 0
    for seed in range(40):
        rows = rows_of(frame(160, 2.0, seed=seed))
        cells = [f"g{int(name[1:]) // 40 % 2}" for name in rows.frame["slide_id"]]
        alarms += bool(subgroup_lines(subgroup_report(OPTIONS, rows, {"site": cells}, smallest=10)))
    assert alarms <= 5  # 2 expected; more than 5 of 40 have a probability of 1 % at a level of 5 %


def test_thresholds_and_calibration_come_from_inner_validation() -> None:
    rows = rows_of(frame(200, 2.0, seed=0))
    val = [frame(120, 2.0, seed=10 + k, prefix=f"v{k}") for k in range(2)]
    report: dict[str, Any] = {}
    add_decisions(report, OPTIONS, rows, val, cost_ratio=5.0)
    point = report["operating_points"]["sensitivity_95"]
    chosen = [
        threshold_for_sensitivity((own["label"] == "pos").to_numpy(), own["prob_pos"].to_numpy(), 0.95).value
        for own in val
    ]
    assert point["thresholds"] == chosen
    called = rows.values[:, 1] >= np.asarray(chosen, np.float64)[rows.folds]
    assert point["slide"]["sensitivity"]["value"] == pytest.approx(called[rows.targets == 1].mean())
    assert set(report["operating_points"]) == {"sensitivity_95", "specificity_95", "cost"}
    assert all(one["stability"]["grade"] in "ABCD" for one in report["operating_points"].values())
    methods = report["calibration_methods"]
    assert set(methods) == {"none", "temperature", "platt", "isotonic", "beta"}
    for found in methods.values():
        assert set(found) == set(CALIBRATION)
    squares = (rows.values[:, 1] - rows.targets) ** 2
    assert methods["none"]["brier"]["value"] == pytest.approx(squares.mean())
    changed: dict[str, Any] = {}
    add_decisions(changed, OPTIONS, rows_of(frame(200, 0.0, seed=5)), val, cost_ratio=None)
    assert changed["operating_points"]["sensitivity_95"]["thresholds"] == chosen
    assert "cost" not in changed["operating_points"] and len(changed["decision_curve"]["model"]) == 99


def test_a_fold_whose_validation_has_one_outcome_has_a_reason() -> None:
    val = [frame(120, 2.0, seed=1), frame(120, 2.0, seed=2).query("label == 'pos'")]
    report: dict[str, Any] = {}
    add_decisions(report, OPTIONS, rows_of(frame(80, 2.0, seed=0)), val, cost_ratio=None)
    assert "one class" in report["operating_points"]["sensitivity_95"]["reason"]
    assert "fewer than 2 rows" in report["calibration_methods"]["platt"]["reason"]
