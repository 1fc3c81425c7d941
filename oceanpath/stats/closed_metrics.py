"""Metrics of reports that are not resampled: calibration of two classes, and further means of AUROCs."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from oceanpath.stats.binned_errors import debiased_error, ece_equal_mass, integrated_calibration_index
from oceanpath.stats.calibration import expected_error, outcomes
from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import RAISED, ClosedInterval, ClosedMetric, Ends, without_interval
from oceanpath.stats.hand_till import hand_till_influence
from oceanpath.stats.intervals.defaults import area_interval
from oceanpath.stats.placements import mean_fold_influence
from oceanpath.stats.recalibration import recalibrate

FOLD_MEAN, HAND_TILL = "auroc_fold_mean", "auroc_hand_till"
SANDWICH = "Student's t, patients clustered"
Labels = NDArray[np.int64]


def calibration_metrics(labels: Labels, probs: Floats, patients: NDArray[np.int64]) -> dict[str, ClosedMetric]:
    """ece, ece_equal_mass, ece_debiased, ici, calibration_intercept, calibration_slope, as the ECE reads the rows."""
    outcome, score = outcomes(labels, probs)
    errors = {
        "ece": expected_error,
        "ece_equal_mass": ece_equal_mass,
        "ece_debiased": debiased_error,
        "ici": integrated_calibration_index,
    }
    found = {name: ClosedMetric(error(outcome, score), without_interval(RAISED)) for name, error in errors.items()}
    fit = recalibrate(outcome, score, patients)
    names = ("calibration_intercept", "calibration_slope")
    if isinstance(fit, str):
        return found | {name: ClosedMetric(None, without_interval(fit), fit) for name in names}
    k = len(np.unique(patients))
    lines = zip(names, (fit.intercept, fit.slope), fit.errors, strict=True)
    return found | {
        name: ClosedMetric(value, ClosedInterval(SANDWICH, partial(_around, value, error, k)))
        for name, value, error in lines
    }


def area_metrics(
    labels: Labels, probs: Floats, patients: NDArray[np.int64], folds: Labels | None
) -> dict[str, ClosedMetric]:
    """auroc_fold_mean where there are folds, auroc_hand_till beyond two classes."""
    found: dict[str, ClosedMetric] = {}
    if folds is not None:
        found[FOLD_MEAN] = _area(mean_fold_influence(labels, probs, folds, patients), patients)
    if probs.shape[1] > 2:
        found[HAND_TILL] = _area(hand_till_influence(labels, probs) or "the rows hold one class only", patients)
    return found


def _area(influence: Influence | str, patients: NDArray[np.int64]) -> ClosedMetric:
    if isinstance(influence, str):
        return ClosedMetric(None, without_interval(influence), influence)
    return ClosedMetric(influence.value, area_interval(influence, patients))


def _around(value: float, error: float, k: int, confidence: float) -> Ends:
    """Interval of Student's t for k patients."""
    if k < 3:
        return "fewer than three patients"
    half = float(stdtrit(k - 2, (1 + confidence) / 2)) * error
    return value - half, value + half
