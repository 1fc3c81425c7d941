"""Pointwise bands around curves, from resampled patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats, roc_curve
from oceanpath.stats.resample import Resamples


def roc_band(
    positive: NDArray[np.bool_], scores: Floats, drawn: Resamples, grid: Floats, confidence: float = 0.95
) -> tuple[Floats, Floats] | None:
    """Percentile band of the true positive rate at each false positive rate of `grid` [g]; None without resamples.

    Args:
        positive: [n] bool.
        scores: [n].
        drawn: Resamples of the patients of these rows; a few hundred are enough for a picture.
        grid: False positive rates, rising.
        confidence: Mass at each place; the band does not hold for the whole curve at once.
    """
    if not len(drawn.counts):
        return None
    curves = [roc_curve(positive, scores, weights) for block in drawn.blocks() for weights in block]
    heights = np.stack([np.interp(grid, curve.x, curve.y) for curve in curves])
    low, high = np.quantile(heights, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return low, high
