"""Many models on many cohorts: Friedman's test with Nemenyi's critical difference (Demsar 2006).

Models are ranked within each cohort, the best first; ties share their mean rank. Friedman's (1937) statistic is used in
the form of Iman and Davenport (1980), which follows an F distribution. Two models differ if their mean ranks differ by
more than Nemenyi's critical difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import rankdata, studentized_range

from oceanpath.errors import StageError
from oceanpath.stats.comparison import SMALLEST_P
from oceanpath.stats.discrimination import Floats


@dataclass(frozen=True)
class RankedModels:
    """Mean rank of each model (1 is best), the test that all are equal, and p-values of the pairs."""

    mean_ranks: Floats
    statistic: float
    """Of Iman and Davenport."""
    p: float
    critical_difference: float
    pair_p: Floats
    """[m, m] of Nemenyi's test."""


def friedman_nemenyi(values: Floats, alpha: float = 0.05) -> RankedModels:
    """The test.

    Args:
        values: [cohorts, models], the larger the better; at least two of each.
        alpha: Level of the critical difference.
    """
    n, m = values.shape
    if n < 2 or m < 2 or not np.isfinite(values).all():
        raise StageError("two cohorts and two models or more are needed", got=values.shape)
    ranks = rankdata(-values, axis=1)
    means = ranks.mean(axis=0)
    spread = ((ranks - (m + 1) / 2) ** 2).sum()
    chi = n * (n * (m - 1)) * ((means - (m + 1) / 2) ** 2).sum() / spread if spread > 0 else 0.0
    rest = n * (m - 1) - chi
    statistic = (n - 1) * chi / rest if rest > 1e-12 else float("inf")
    p = max(SMALLEST_P, float(f_distribution.sf(statistic, m - 1, (m - 1) * (n - 1))))
    error = float(np.sqrt(m * (m + 1) / (12 * n)))
    critical = float(studentized_range.ppf(1 - alpha, m, np.inf)) * error
    pairs = studentized_range.sf(np.abs(means[:, None] - means) / error, m, np.inf)
    return RankedModels(means, statistic, p, critical, np.clip(pairs, SMALLEST_P, 1.0))
