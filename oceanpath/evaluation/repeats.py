"""Repeated test sets: metrics are means over the repeats; the ensemble of all models is evaluated in addition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.tested_slides import average_models
from oceanpath.evaluation.levels import LevelRows, patient_level, slide_level
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import Bootstrap, Resamples
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats


def evaluate_repeats(task: Task, level: LevelRows, values: Floats) -> Bootstrap:
    """All metrics of `values` [n, K] for the rows of a level; with several repeats, their means."""

    def evaluate(own: NDArray[np.intp], drawn: Resamples) -> Bootstrap:
        return task.evaluate(level.targets[own], values[own], drawn, level.folds[own])

    return evaluate_by_repeat(level.repeats, level.drawn, len(set(level.units)), evaluate)


def ensemble_report(settings: IntervalOptions, rows: ReportedRows) -> dict[str, Any] | None:
    """The "ensemble" of metrics.json; None where a slide is tested in one repeat only.

    Every slide is predicted by the mean of all models that did not see its patient.
    """
    if rows.plan.n_repeats == 1:
        return None
    frame = average_models(rows.members, rows.task.columns)
    averaged = replace(
        rows,
        frame=frame.assign(fold=0),
        targets=rows.task.targets(frame["label"].tolist()),
        values=rows.task.values(frame),
    )
    patients, reason = patient_level(settings, averaged)
    slide = _metrics(settings, rows.task, slide_level(settings, averaged))
    patient = {name: {"value": None, "reason": reason} for name in slide}
    models = frame["models"]
    return {
        "models": {"fewest": int(models.min()), "median": float(models.median()), "most": int(models.max())},
        "slide": slide,
        "patient": patient if patients is None else _metrics(settings, rows.task, patients),
    }


def _metrics(settings: IntervalOptions, task: Task, level: LevelRows) -> dict[str, dict[str, Any]]:
    found = task.evaluate(level.targets, level.values, level.drawn)
    return {name: estimate.record() for name, estimate in found.estimates(settings.confidence).items()}
