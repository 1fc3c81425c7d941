"""McNemar's test (1947) of two classifiers' decisions on the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2

from oceanpath.errors import StageError

EXACT_BELOW = 25
"""Discordant rows below which the exact binomial form is used."""


@dataclass(frozen=True)
class McNemar:
    """Two-sided test of only_a = only_b."""

    only_a: int
    """Rows that only the first model classifies correctly."""
    only_b: int
    statistic: float | None
    """Chi-square with continuity correction (Edwards 1948); None for the exact form."""
    p: float
    exact: bool


def mcnemar_test(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> McNemar:
    """Test from two vectors [n] that say which rows each model classifies correctly. One row per patient."""
    if right_a.shape != right_b.shape:
        raise StageError("the models decide different rows", expected=right_a.shape, got=right_b.shape)
    return mcnemar_counts(int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a)))


def mcnemar_counts(only_a: int, only_b: int, exact: bool | None = None) -> McNemar:
    """Test from the two discordant counts; `exact` None chooses by `EXACT_BELOW`."""
    discordant = only_a + only_b
    exact = discordant < EXACT_BELOW if exact is None else exact
    if exact or discordant == 0:
        p = min(1.0, 2 * float(binom.cdf(min(only_a, only_b), discordant, 0.5)))
        return McNemar(only_a, only_b, None, p, True)
    statistic = max(0, abs(only_a - only_b) - 1) ** 2 / discordant
    return McNemar(only_a, only_b, statistic, float(chi2.sf(statistic, 1)), False)
