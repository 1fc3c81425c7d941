"""Corrected resampled t test of two learning methods (Nadeau and Bengio 2003).

For differences of a metric over repeated splits: training sets overlap, so the variance of the mean is (1 / k + test /
train) times the sample variance, not 1 / k. The target is the method refitted on such training sets, not one model.
"""

from __future__ import annotations

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.comparison import Comparison, compare
from oceanpath.stats.discrimination import Floats


def corrected_resampled_t(differences: Floats, test_share: float, confidence: float = 0.95) -> Comparison:
    """Test that the mean difference is 0.

    Args:
        differences: [k] of one metric on the same splits, k >= 2.
        test_share: Test rows divided by training rows of a split, for example 0.25 for five folds.
        confidence: Confidence level of the interval.
    """
    k = len(differences)
    if k < 2 or test_share < 0 or not np.isfinite(differences).all():
        raise StageError("two differences or more and a share from 0 on are needed", got=f"{k}, {test_share}")
    error = float(np.sqrt((1 / k + test_share) * np.var(differences, ddof=1)))
    return compare(float(np.mean(differences)), error, k - 1, confidence)
