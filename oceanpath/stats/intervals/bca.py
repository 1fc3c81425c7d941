"""Bias-corrected and accelerated bootstrap interval (Efron 1987) with a jackknife over patients."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Ends


def bca_interval(value: float, samples: Floats, jackknife: Floats, confidence: float = 0.95) -> Ends:
    """The interval, or why there is none.

    Args:
        value: The metric on the rows.
        samples: [R] on resampled patients.
        jackknife: [p] without each patient.
        confidence: Confidence level.
    """
    if np.isnan(samples).any() or np.isnan(jackknife).any():
        return "undefined in some resamples"
    below = float(np.mean(samples < value) + np.mean(samples == value) / 2)
    if not 0 < below < 1:
        return "resampling shifts the metric to one side of its value"
    deviation = jackknife.mean() - jackknife
    spread = float((deviation**2).sum()) ** 1.5
    acceleration = float((deviation**3).sum()) / (6 * spread) if spread > 0 else 0.0
    bias = float(norm.ppf(below))
    z = bias + norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(samples, norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)
