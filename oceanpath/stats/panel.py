"""All metrics of one table of predictions, each with its patient-clustered interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.closed_metrics import area_metrics, calibration_metrics
from oceanpath.stats.clustered import Influence
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.discrimination import Floats, Measure, SumMeasure, check_rows, ranking_measure
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.intervals.defaults import area_influences, area_interval, decision_intervals
from oceanpath.stats.intervals.smooth_metrics import smooth_intervals
from oceanpath.stats.proper_scores import proper_measure
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.stats.smooth import auprc_influence, sum_influences
from oceanpath.stats.within_folds import within_fold_measure


def evaluate(
    labels: NDArray[np.int64], probs: Floats, drawn: Resamples, folds: NDArray[np.int64] | None = None
) -> Bootstrap:
    """All metrics of probabilities, on the rows and on every resample.

    The decision is the most probable class (the last of two equal ones).

    Args:
        labels: [n] class numbers.
        probs: [n, C] float64, rows sum to 1.
        drawn: resamples of the patients of these rows.
        folds: [n] fold whose model scored each row, where there are several.

    Returns:
        auroc, auprc, accuracy, balanced_accuracy, f1, mcc, kappa, kappa_quadratic, brier, brier_scaled, log_loss, ece,
        ece_equal_mass, ece_debiased, ici, calibration_intercept, calibration_slope; with folds also auroc_within_folds
        and auroc_fold_mean; with two classes sensitivity, specificity, ppv and npv of the last one, beyond two
        auroc_hand_till.
    """
    check_rows(labels, probs)
    decisions, patients = decide(probs), drawn.numbers
    sums = [confusion_measure(labels, decisions, probs.shape[1]), proper_measure(labels, probs)]
    measures: list[Measure] = [ranking_measure(labels, probs), *sums]
    if folds is not None:
        measures.append(within_fold_measure(labels, probs, folds))
    areas, smooth = area_influences(labels, probs, folds), _smooth_influences(sums, labels, probs)
    closed = {name: area_interval(one, patients) for name, one in areas.items()}
    closed |= smooth_intervals(smooth, labels, decisions, patients)
    closed |= decision_intervals(labels, decisions, probs.shape[1], patients)
    further = calibration_metrics(labels, probs, patients) | area_metrics(labels, probs, patients, folds)
    found = bootstrap(measures, drawn, closed).extended(further)
    return replace(found, influences=smooth | areas)


def _smooth_influences(sums: list[SumMeasure], labels: NDArray[np.int64], probs: Floats) -> dict[str, Influence]:
    found = {name: one for measure in sums for name, one in sum_influences(measure, labels).items()}
    precision = auprc_influence(labels, probs)
    return found if precision is None else found | {"auprc": precision}


def evaluate_decisions(
    labels: NDArray[np.int64],
    decisions: NDArray[np.int64],
    n_classes: int,
    drawn: Resamples,
    *,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """The metrics of the confusion table alone, for given decisions [n]."""
    measure = confusion_measure(labels, decisions, n_classes)
    closed = smooth_intervals(sum_influences(measure, labels), labels, decisions, drawn.numbers)
    closed |= decision_intervals(labels, decisions, n_classes, drawn.numbers)
    return bootstrap([measure], drawn, closed).estimates(confidence)


def decide(probs: Floats) -> NDArray[np.int64]:
    """Most probable class [n] of probabilities [n, C]; of two classes the last one at 0.5 and above."""
    decided = probs[:, 1] >= probs[:, 0] if probs.shape[1] == 2 else probs.argmax(axis=1)
    return np.asarray(decided, np.int64)
