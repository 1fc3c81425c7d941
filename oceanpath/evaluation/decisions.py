"""Further operating points, calibration methods and the decision curve of a task with two outcomes.

Thresholds and calibration are fitted to the inner validation rows of each fold, and judged on its test rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.tested_slides import average_ensembles
from oceanpath.evaluation.levels import slide_level
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.repeats import evaluate_repeats
from oceanpath.evaluation.report import finish_records, operating_point_of
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.stability import threshold_stability
from oceanpath.stats.calibrators import METHODS, fit_calibrators
from oceanpath.stats.decision_curve import decision_curve
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.thresholds import (
    Threshold,
    threshold_for_costs,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from oceanpath.tasks.evaluation import DecisionRule
from oceanpath.tasks.registry import CLASSIFICATION

Block = dict[str, Any]
TARGET = 0.95
CALIBRATION = (
    *("brier", "brier_scaled", "log_loss", "ece", "ece_equal_mass", "ece_debiased", "ici"),
    *("calibration_intercept", "calibration_slope"),
)
"""Metrics by which calibration is judged."""
OUTSIDE = 1.5
"""A threshold that no probability reaches."""


def has_outcome(rows: ReportedRows) -> bool:
    """Whether the task has two outcomes, of which the second is predicted."""
    return rows.task.name == CLASSIFICATION and len(rows.task.columns) == 2


def add_decisions(
    report: Block, settings: IntervalOptions, rows: ReportedRows, val: Sequence[pd.DataFrame], cost_ratio: float | None
) -> None:
    """Add "operating_points", "calibration_methods" and "decision_curve" to a report, where the task has an outcome.

    Every operating point, also the one that the report has, is given its "stability".

    Args:
        report: The contents of metrics.json.
        settings: Resamples, seed and confidence.
        rows: The test rows.
        val: The inner validation rows of each fold.
        cost_ratio: Cost of a missed positive, in false alarms; None: no such operating point.
    """
    if not has_outcome(rows):
        return
    outcomes = [(rows.task.targets(own["label"].tolist()) == 1, rows.task.values(own)[:, 1]) for own in val]
    added = {
        "operating_points": _operating_points(settings, rows, outcomes, cost_ratio),
        "calibration_methods": _calibration(settings, rows, outcomes),
    }
    report |= finish_records(added, rows)
    level = slide_level(settings, rows)
    for point in (report.get("operating_point"), *report["operating_points"].values()):
        if point is not None and "rule" in point:
            point["stability"] = threshold_stability(level, point["thresholds"])
    curve = decision_curve(level.targets == 1, level.values[:, 1], level.drawn, settings.confidence)
    report["decision_curve"] = curve.record()


def _operating_points(
    settings: IntervalOptions,
    rows: ReportedRows,
    val: Sequence[tuple[NDArray[np.bool_], Floats]],
    cost_ratio: float | None,
) -> Block:
    """Name → operating point, as "operating_point" of metrics.json, or why there is none."""
    percent = f"{100 * TARGET:g} %"
    rules: dict[str, tuple[str, Callable[[NDArray[np.bool_], Floats], Threshold]]] = {
        "sensitivity_95": (f"{percent} sensitivity", lambda y, p: threshold_for_sensitivity(y, p, TARGET)),
        "specificity_95": (f"{percent} specificity", lambda y, p: threshold_for_specificity(y, p, TARGET)),
    }
    if cost_ratio is not None:
        text = f"the lowest cost, a missed positive counted as {cost_ratio:g} false alarms"
        rules["cost"] = (text, lambda y, p: threshold_for_costs(y, p, cost_ratio))
    found: Block = {}
    for name, (text, choose) in rules.items():
        chosen = [choose(y, p) for y, p in val]
        if reason := next((one.reason for one in chosen if one.value is None), ""):
            found[name] = {"reason": reason}
            continue
        values = [OUTSIDE if one.value is None else one.value for one in chosen]
        rule = DecisionRule(
            f"positive at or above a threshold with {text} on inner validation rows", _pooled(rows, values)
        )
        found[name] = operating_point_of(settings, rows, rule)
    return found


def _pooled(rows: ReportedRows, values: Sequence[float]) -> list[float]:
    """The threshold of every fold; of an ensemble, the mean of its models'."""
    members = [rows.plan.members(ensemble) for ensemble in rows.plan.ensembles]
    return [float(np.mean([values[fold] for fold in own])) for own in members]


def _calibration(
    settings: IntervalOptions, rows: ReportedRows, val: Sequence[tuple[NDArray[np.bool_], Floats]]
) -> Block:
    """Method → metrics of the calibrated test rows, or why there are none; "none" is without calibration."""
    fitted = [fit_calibrators(y, p) for y, p in val]
    found: Block = {"none": _judged(settings, rows)}
    for name in METHODS:
        methods = [one[name] for one in fitted]
        if reason := next((one for one in methods if isinstance(one, str)), ""):
            found[name] = {"reason": reason}
            continue
        by_fold = {fold: method for fold, method in enumerate(methods) if not isinstance(method, str)}
        found[name] = _judged(settings, _calibrated(rows, by_fold))
    return found


def _calibrated(rows: ReportedRows, methods: Mapping[int, Callable[[Floats], Floats]]) -> ReportedRows:
    """The rows with the calibrated probabilities of every model, averaged over ensembles afterwards."""
    members, folds = rows.members, rows.members["fold"].to_numpy(np.int64)
    p, negative, positive = rows.task.values(members)[:, 1].copy(), *rows.task.columns
    for fold, method in methods.items():
        p[folds == fold] = method(p[folds == fold])
    members = members.assign(**{negative: 1 - p, positive: p})
    frame = average_ensembles(members, rows.plan, rows.task.columns)
    return replace(rows, frame=frame, values=rows.task.values(frame), members=members)


def _judged(settings: IntervalOptions, rows: ReportedRows) -> Block:
    level = slide_level(settings, rows)
    found = evaluate_repeats(rows.task, level, level.values)
    return {name: found.estimate(name, settings.confidence).record() for name in CALIBRATION}
