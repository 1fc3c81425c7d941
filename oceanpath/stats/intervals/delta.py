"""Interval of a smooth metric: delta method with patients as clusters, Student's t, on a scale that suits the metric.

Variance: the influences of a patient's rows are summed before they are squared. Scale: logit between 0 and 1, Fisher's
z between -1 and 1, logarithm above 0, logarithm of the distance to 1 below 1. The interval then stays within the range
of the metric, and its tails are more equal than on the plain scale (Boyd, Eng and Page 2013 for average precision).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtrit

from oceanpath.stats.clustered import ROUNDING, ClusteredVariance
from oceanpath.stats.estimate import Ends


class Scale(NamedTuple):
    """A transformation of a metric."""

    low: float
    high: float
    """Ends of the range, without the ends themselves."""
    forward: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]
    """Derivative of `forward`."""


LOGIT = Scale(0.0, 1.0, logit, expit, lambda x: 1 / (x * (1 - x)))
FISHER = Scale(-1.0, 1.0, np.arctanh, np.tanh, lambda x: 1 / (1 - x * x))
LOG = Scale(0.0, np.inf, np.log, np.exp, lambda x: 1 / x)
BELOW_ONE = Scale(-np.inf, 1.0, lambda x: -np.log1p(-x), lambda y: -np.expm1(-y), lambda x: 1 / (1 - x))


def delta_interval(value: float, variance: ClusteredVariance, scale: Scale, confidence: float = 0.95) -> Ends:
    """The interval, or why there is none."""
    if not scale.low + ROUNDING < value < scale.high - ROUNDING:
        return "the value is at the end of its range, where its variance cannot be estimated"
    if variance.total <= ROUNDING**2:
        return "the rows contain no information about the variance"
    half = float(stdtrit(variance.degrees_of_freedom(), (1 + confidence) / 2)) * float(np.sqrt(variance.total))
    centre, half = scale.forward(value), half * scale.slope(value)
    return float(scale.back(centre - half)), float(scale.back(centre + half))
