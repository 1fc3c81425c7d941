"""Differences of two models that the random seed of training alone can explain."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Z = 1.96
"""Two-sided 95 % quantile of the normal distribution."""


def spread(values: Sequence[float | None]) -> float | None:
    """The standard deviation over the seeds; None unless two or more values are known."""
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def seed_noise(first: Sequence[float | None], second: Sequence[float | None]) -> float | None:
    """The largest difference of two means over seeds that is within 95 % of seed noise.

    1.96 SD sqrt(1/n + 1/m), which is 1.96 sqrt(2) SD / sqrt(n) for n seeds each, with the pooled standard deviation of
    both models. None if neither model has two seeds.
    """
    known = [[value for value in values if value is not None] for values in (first, second)]
    freedom = sum(len(values) - 1 for values in known if len(values) > 1)
    if not freedom or not all(known):
        return None
    squares = sum(float(np.var(values)) * len(values) for values in known if len(values) > 1)
    return Z * math.sqrt(squares / freedom) * math.sqrt(sum(1 / len(values) for values in known))
