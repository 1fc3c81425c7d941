"""Default intervals of the metrics that are smooth functions of the rows: scale, and when no interval holds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.estimate import ClosedInterval, Ends, without_interval
from oceanpath.stats.intervals.delta import BELOW_ONE, FISHER, LOG, LOGIT, Scale, delta_interval

DELTA = "delta method, patients clustered"
SCALES: dict[str, Scale] = {
    **dict.fromkeys(("auprc", "balanced_accuracy", "f1"), LOGIT),
    **dict.fromkeys(("mcc", "kappa", "kappa_quadratic"), FISHER),
    **dict.fromkeys(("brier", "log_loss"), LOG),
    "brier_scaled": BELOW_ONE,
    **dict.fromkeys(("accuracy", "sensitivity", "specificity", "ppv", "npv"), LOGIT),
}
"""Proportions have Wilson's interval instead, but for means over repeats."""
DECISIONS = ("balanced_accuracy", "f1", "mcc", "kappa", "kappa_quadratic")
WITHOUT_CLASSES = ("brier", "log_loss")
MIN_OF_CLASS, MIN_PATIENTS = 4, 5
"""Patients below which no method has the stated coverage."""
NO_COVERAGE = "no interval has its stated coverage"
Numbers = NDArray[np.int64]


def smooth_intervals(
    influences: Mapping[str, Influence], labels: Numbers, decisions: Numbers, patients: Numbers
) -> dict[str, ClosedInterval]:
    """The interval of each of `influences` that has a scale; rows [n]."""
    reasons = _reasons(labels, decisions, patients)
    return {
        name: without_interval(reasons[name]) if name in reasons else smooth_interval(name, influences[name], patients)
        for name in SCALES
        if name in influences
    }


def smooth_interval(name: str, influence: Influence, patients: Numbers) -> ClosedInterval:
    """The interval of one metric of `SCALES`, whatever the number of patients."""

    def ends(confidence: float) -> Ends:
        return delta_interval(influence.value, clustered_variance(influence, patients), SCALES[name], confidence)

    return ClosedInterval(DELTA, ends)


def _reasons(labels: Numbers, decisions: Numbers, patients: Numbers) -> dict[str, str]:
    """Metric → why no interval has its stated coverage on these rows."""
    if np.unique(patients).size < MIN_PATIENTS:
        return dict.fromkeys(SCALES, f"fewer than {MIN_PATIENTS} patients: {NO_COVERAGE}")
    if min(np.unique(patients[labels == c]).size for c in np.unique(labels)) < MIN_OF_CLASS:
        reason = f"fewer than {MIN_OF_CLASS} patients of a class: {NO_COVERAGE}"
        return {name: reason for name in SCALES if name not in WITHOUT_CLASSES}
    if np.unique(patients[decisions != np.bincount(decisions).argmax()]).size < MIN_OF_CLASS:
        reason = f"fewer than {MIN_OF_CLASS} patients outside the most frequent decision: {NO_COVERAGE}"
        return dict.fromkeys(DECISIONS, reason)
    return {}
