"""Mean of one number per slide, with patients as clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.intervals.delta import LOGIT, Scale, delta_interval

PLAIN = Scale(-np.inf, np.inf, lambda x: x, lambda x: x, lambda _: 1.0)
UNIT = LOGIT
"""For numbers from 0 to 1: the interval stays within this range."""


def clustered_mean(
    values: Floats, patients: NDArray[np.int64], confidence: float = 0.95, scale: Scale = PLAIN
) -> Estimate:
    """The mean of `values` [n] with its interval; `patients` [n] are numbers from 0."""
    n, n_patients = len(values), len(np.unique(patients))
    if not n:
        return Estimate(None, reason="no slides")
    mean = float(values.mean())
    rows = Influence(mean, (values - mean) / n, np.full(n, 1 / n), np.zeros(n, np.int64))
    interval = delta_interval(mean, clustered_variance(rows, patients), scale, confidence)
    if n_patients < 2:
        interval = "one patient"
    if isinstance(interval, str):
        return Estimate(mean, n=n, n_patients=n_patients, reason=interval)
    return Estimate(mean, *interval, n, n_patients, method="delta method, patients")
