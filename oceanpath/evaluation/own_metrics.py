"""Metrics of the user's own: any function of targets and predictions, with the intervals of all other metrics."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.evaluation.levels import LevelRows, patient_level, slide_level
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.report import finish_records
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import Bootstrap, Resamples
from oceanpath.tasks.evaluation import Floats, Targets

OwnMetric = Callable[[Targets, Floats], float]
UNDEFINED = "the function returned no finite number"


def own_metrics(settings: IntervalOptions, rows: ReportedRows, names: Sequence[str]) -> dict[str, Any]:
    """The "own_metrics" of metrics.json.

    Args:
        settings: Resamples, seed and confidence.
        rows: The test rows.
        names: ``module:function``; the function is called with targets [n] and values [n, K].

    Raises: ExperimentError: there is no such function.
    """
    metrics = {name.partition(":")[2]: load_metric(name) for name in names}
    slides, (patients, conflict) = slide_level(settings, rows), patient_level(settings, rows)
    slide = _evaluate(settings, metrics, slides)
    patient = _evaluate(settings, metrics, patients) if patients is not None else {}
    undefined = {name: {"value": None, "reason": conflict} for name in slide}
    return finish_records({"slide": slide, "patient": patient or undefined}, rows)


def load_metric(name: str) -> OwnMetric:
    """The function of ``module:function``. Raises: ExperimentError: there is none."""
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise ExperimentError(
            "the metric cannot be imported", where="[eval] metrics", got=f"{name}: {error}"
        ) from error
    if not callable(found):
        raise ExperimentError("the module has no such function", where="[eval] metrics", got=name)
    metric: OwnMetric = found
    return metric


def _evaluate(
    settings: IntervalOptions, metrics: Mapping[str, OwnMetric], level: LevelRows
) -> dict[str, dict[str, Any]]:
    def evaluate(own: NDArray[np.intp], drawn: Resamples) -> Bootstrap:
        return resample_metrics(metrics, level.targets[own], level.values[own], drawn)

    found = evaluate_by_repeat(level.repeats, level.drawn, len(set(level.units)), evaluate)
    return {name: estimate.record() for name, estimate in found.estimates(settings.confidence).items()}


def resample_metrics(metrics: Mapping[str, OwnMetric], targets: Targets, values: Floats, drawn: Resamples) -> Bootstrap:
    """The metrics of the rows and of every resample, in which a row is repeated as often as its patient was drawn."""
    known = {name: _finite(metric(targets, values)) for name, metric in metrics.items()}
    samples = {name: np.empty(len(drawn.counts)) for name in metrics}
    for number, counts in enumerate(drawn.counts):
        rows = np.repeat(np.arange(len(targets)), counts[drawn.numbers])
        for name, metric in metrics.items():
            samples[name][number] = float(metric(targets[rows], values[rows]))
    undefined = {name: UNDEFINED for name, value in known.items() if value is None}
    return Bootstrap(known, samples, len(targets), drawn, undefined=undefined)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
