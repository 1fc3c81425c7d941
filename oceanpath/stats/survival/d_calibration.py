"""D-calibration (Haider et al. 2020): are predicted survival probabilities at the observed times uniform?

A row with an event falls into the bin of S(T). A censored row may have its event in any later bin: it is spread over
its own bin and those below in proportion to their width. Pearson's chi-square with bins - 1 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events


@dataclass(frozen=True)
class DCalibration:
    """Rows per bin from low to high survival, and the test of equal numbers."""

    counts: Floats
    statistic: float
    p: float


def d_calibration(survival: Floats, event: Events, bins: int = 10) -> DCalibration:
    """The test.

    Args:
        survival: [n] predicted survival at the time of each row, between 0 and 1.
        event: [n] bool.
        bins: Number of bins of equal width.
    """
    if survival.shape != event.shape or not len(survival) or not ((survival >= 0) & (survival <= 1)).all():
        raise StageError("not one probability of survival per row", expected=event.shape, got=survival.shape)
    number = np.minimum((survival * bins).astype(np.int64), bins - 1)
    counts = np.bincount(number[event], minlength=bins).astype(np.float64)
    for value, own in zip(survival[~event], number[~event], strict=True):
        if value == 0:
            counts[0] += 1
            continue
        counts[own] += (value - own / bins) / value
        counts[:own] += 1 / (bins * value)
    expected = len(survival) / bins
    statistic = float(((counts - expected) ** 2).sum() / expected)
    return DCalibration(counts, statistic, float(chi2.sf(statistic, bins - 1)))
