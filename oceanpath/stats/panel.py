"""All metrics of one table of predictions, each with its patient-clustered interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.calibration import calibration_measure
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.discrimination import Floats, check_rows, ranking_measure
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.resample import Resamples, bootstrap, draw_patients


def evaluate(
    labels: NDArray[np.int64],
    probs: Floats,
    patients: Sequence[str],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 42,
) -> dict[str, Estimate]:
    """Metric → estimate of probabilities; a row is decided for its most probable class (the last one on a tie of two).

    Args:
        labels: [n] class numbers.
        probs: [n, C] float64, rows sum to 1.
        patients: [n] patient of each row; they are what is resampled.
        resamples: how many.
        confidence: mass of the percentile interval.
        seed: of the resampling.

    Returns:
        auroc, auprc, accuracy, balanced_accuracy, f1, mcc, kappa, brier, ece; with two classes also sensitivity and
        specificity of the last one.
    """
    check_rows(labels, probs)
    drawn = draw_patients(patients, labels, resamples=resamples, seed=seed)
    measures = [
        ranking_measure(labels, probs),
        confusion_measure(labels, decide(probs), probs.shape[1]),
        calibration_measure(labels, probs),
    ]
    found = bootstrap(measures, drawn)
    return {name: found.estimate(name, confidence) for name in found.values}


def evaluate_decisions(
    labels: NDArray[np.int64],
    decisions: NDArray[np.int64],
    n_classes: int,
    drawn: Resamples,
    *,
    confidence: float = 0.95,
) -> dict[str, Estimate]:
    """The metrics of the confusion table alone, for decisions [n] that were made elsewhere."""
    found = bootstrap([confusion_measure(labels, decisions, n_classes)], drawn)
    return {name: found.estimate(name, confidence) for name in found.values}


def decide(probs: Floats) -> NDArray[np.int64]:
    """Most probable class [n] of probabilities [n, C]; of two classes the last one from 0.5 on."""
    decided = probs[:, 1] >= probs[:, 0] if probs.shape[1] == 2 else probs.argmax(axis=1)
    return np.asarray(decided, np.int64)
