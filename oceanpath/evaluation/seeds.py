"""Metrics of every seed of training: their mean and standard deviation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from oceanpath.evaluation.levels import LevelRows
from oceanpath.evaluation.repeats import evaluate_repeats
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.repeats import resamples_of_rows
from oceanpath.stats.seed_noise import spread

Records = dict[str, dict[str, Any]]


def seeds_report(rows: ReportedRows, slides: LevelRows, patients: LevelRows | None) -> dict[str, Any]:
    """The "seeds" of metrics.json; empty for one seed."""
    if len(rows.plan.seed_list) == 1:
        return {}
    levels = {"slide": _by_seed(rows, slides), "patient": {} if patients is None else _by_seed(rows, patients)}
    return {"seeds": {"seeds": rows.plan.seed_list, **levels}}


def _by_seed(rows: ReportedRows, level: LevelRows) -> Records:
    """Metric → its value for each seed, their mean and standard deviation."""
    seeds = np.asarray(rows.plan.seeds)[level.folds]
    found = [
        evaluate_repeats(rows.task, own, own.values).values
        for own in (_rows_of(level, seeds == seed) for seed in rows.plan.seed_list)
    ]
    return {name: _record([values[name] for values in found]) for name in found[0]}


def _record(values: list[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if len(known) == len(values) else None
    record = {"value": mean, "sd": spread(values) if mean is not None else None, "by_seed": values}
    return record if mean is not None else record | {"reason": "undefined for a seed"}


def _rows_of(level: LevelRows, is_own: np.ndarray[Any, np.dtype[np.bool_]]) -> LevelRows:
    own = np.flatnonzero(is_own)
    return replace(
        level,
        targets=level.targets[own],
        values=level.values[own],
        folds=level.folds[own],
        repeats=level.repeats[own],
        units=[level.units[row] for row in own],
        drawn=resamples_of_rows(level.drawn, own),
    )
