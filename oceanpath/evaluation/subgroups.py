"""The main metric in the groups of a column, such as the site or the sex, and its difference to all other slides.

Patients of a group and the others are resampled independently. p-values of all groups of all columns are one family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.evaluation.levels import LevelRows, slide_level
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.multiplicity import holm
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients, percentile_interval
from oceanpath.tasks.base import Task

Block = dict[str, Any]
UNKNOWN = "(unknown)"
"""The group of empty cells."""


def subgroup_report(
    settings: IntervalOptions, rows: ReportedRows, columns: Mapping[str, Sequence[str]], smallest: int
) -> Block:
    """The "subgroups" of metrics.json.

    Args:
        settings: Resamples, seed and confidence.
        rows: The test rows.
        columns: Column → cells [n].
        smallest: Groups with fewer patients are listed without a metric.
    """
    level = slide_level(settings, rows)
    found = {name: _column(settings, rows, level, list(cells), smallest) for name, cells in columns.items()}
    gaps = [group["difference"] for column in found.values() for group in column["groups"].values()]
    for gap, p in zip(gaps, holm([gap["p"] for gap in gaps]), strict=True):
        gap["p_holm"] = p
    return {"smallest": smallest, "metric": rows.task.main_metric, "family": len(gaps), "columns": found}


def _column(settings: IntervalOptions, rows: ReportedRows, level: LevelRows, cells: list[str], smallest: int) -> Block:
    values = np.asarray([cell or UNKNOWN for cell in cells])
    patients, main = np.asarray(rows.patients), rows.task.main_metric
    groups, small = dict[str, Block](), dict[str, int]()
    for name in np.unique(values).tolist():
        own = np.flatnonzero(values == name)
        if (count := len(set(patients[own]))) < smallest:
            small[name] = count
        elif len(own) < len(values):
            rest = np.flatnonzero(values != name)
            one = _evaluate(settings, rows.task, level, patients, own)
            other = _evaluate(settings, rows.task, level, patients, rest, seed=1)
            record = one.estimate(main, settings.confidence).record()
            groups[name] = {**record, "difference": _gap(one, other, main, settings.confidence)}
    known = {name: group["value"] for name, group in groups.items() if group["value"] is not None}
    worst = min(known, key=lambda name: known[name]) if known else None
    return {"groups": groups, "worst": worst, "too_small": small}


def _evaluate(
    settings: IntervalOptions,
    task: Task,
    level: LevelRows,
    patients: NDArray[np.str_],
    own: NDArray[np.intp],
    seed: int = 0,
) -> Bootstrap:
    """The main metric of some of the rows."""
    strata = task.resampling_strata(level.targets[own])
    drawn = draw_patients(patients[own].tolist(), strata, resamples=settings.resamples, seed=settings.seed + seed)

    def evaluate(rows: NDArray[np.intp], resamples: Resamples) -> Bootstrap:
        return task.compare(level.targets[own[rows]], level.values[own[rows]], resamples)

    return evaluate_by_repeat(level.repeats[own], drawn, len({level.units[row] for row in own}), evaluate)


def _gap(one: Bootstrap, other: Bootstrap, main: str, confidence: float) -> Block:
    """The metric of a group minus that of all others: both are resampled, independently of each other."""
    a, b = one.values[main], other.values[main]
    reason = one.resamples.reason or other.resamples.reason
    if a is None or b is None or reason:
        return {"value": None, "p": None, "reason": reason or "a class is missing in the group or in the others"}
    value, moved = a - b, one.samples[main] - other.samples[main]
    interval = percentile_interval(value, moved, confidence)
    if isinstance(interval, str):
        return {"value": value, "low": None, "high": None, "p": None, "reason": interval}
    as_far = int(np.sum(np.abs(moved - value) >= abs(value) - 1e-12))
    return {"value": value, "low": interval[0], "high": interval[1], "p": (1 + as_far) / (1 + len(moved))}


def subgroup_lines(report: Block) -> list[str]:
    """Notes on groups that differ from all others."""
    return [
        f"subgroup_gap: {column} {name}: {report['metric']} {group['value']:.3f}, {gap['value']:+.3f} from all others, "
        f"p {gap['p_holm']:.2g} after Holm over {report['family']} groups"
        for column, found in report["columns"].items()
        for name, group in found["groups"].items()
        if (gap := group["difference"])["p"] is not None and gap["p_holm"] < ALPHA
    ]


ALPHA = 0.05
