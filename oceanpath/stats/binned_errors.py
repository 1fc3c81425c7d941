"""Calibration errors over bins of equal mass, and over all rows with a smooth curve.

ECE with equal mass (Nguyen and O'Connor 2015): the mean gap of `oceanpath.stats.calibration` over ten bins that hold
equally many rows; equal probabilities stay in one bin. Debiased error (Kumar, Liang and Ma 2019, section 4): the root
of the mean squared gap over the same bins, from which the variance of the observed shares is subtracted; 0 where
chance explains the gaps. ICI (Austin and Steyerberg 2019): the mean distance between the probability and a local linear
regression of the outcome (Cleveland 1979: tricube weights, span 0.75). None of them has an interval: chance raises
them, and resampling raises them further.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.calibration import BINS
from oceanpath.stats.discrimination import Floats

SPAN = 0.75
GRID = 51
"""Points at which the local regression is computed; linear interpolation between them."""
CELLS = 2**18
"""Points times rows that are computed together."""


def equal_mass_bins(score: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """Bin [n] of each probability, 0 to at most bins - 1; fewer bins where rows or distinct probabilities are few."""
    edges = np.quantile(score, np.linspace(0, 1, bins + 1)[1:-1])
    _, numbers = np.unique(np.searchsorted(edges, score, side="left"), return_inverse=True)
    return numbers.astype(np.int64)


def ece_equal_mass(outcome: Floats, score: Floats, bins: int = BINS) -> float:
    """Mean gap between mean probability and observed share, weighted by rows."""
    return float(np.abs(np.bincount(equal_mass_bins(score, bins), outcome - score)).sum() / len(score))


def debiased_error(outcome: Floats, score: Floats, bins: int = BINS) -> float:
    """Root of the debiased mean squared gap; bins of one row are left out, because their variance is unknown."""
    numbers = equal_mass_bins(score, bins)
    count = np.bincount(numbers)
    known = count > 1
    gap, share = np.bincount(numbers, outcome - score) / count, np.bincount(numbers, outcome) / count
    variance = share * (1 - share) / np.maximum(count - 1, 1)
    if not known.any():
        return 0.0
    return float(np.sqrt(max(0.0, np.average((gap**2 - variance)[known], weights=count[known]))))


def integrated_calibration_index(outcome: Floats, score: Floats) -> float:
    """ICI: mean absolute distance of the probabilities from the smoothed outcome."""
    order = np.argsort(score, kind="stable")
    outcome, score = outcome[order], score[order]
    grid = np.unique(np.quantile(score, np.linspace(0, 1, GRID)))
    block = max(1, CELLS // len(score))
    parts = [_local_lines(outcome, score, grid[first : first + block]) for first in range(0, len(grid), block)]
    return float(np.abs(np.interp(score, grid, np.concatenate(parts).clip(0, 1)) - score).mean())


def _local_lines(outcome: Floats, score: Floats, at: Floats) -> Floats:
    """Values [g] at the points `at` [g] of the lines through the nearest `SPAN` of the rows, weighted by distance.

    The rows are sorted by score.
    """
    k = max(1, int(np.ceil(SPAN * len(score))))
    x = score - at[:, None]
    distance = np.abs(x)
    # The rows from i to i + k - 1 are the nearest ones for the i whose farther end is nearest.
    reach = np.maximum(distance[:, : len(score) - k + 1], distance[:, k - 1 :]).min(axis=1)
    share = np.minimum(distance / np.where(reach > 0, reach, 1)[:, None], 1)
    weight = 1 - share * share * share
    weight = weight * weight * weight
    level = (reach <= 0) | ~weight.any(axis=1)  # all of the nearest rows have the same distance
    weight[level] = distance[level] <= reach[level, None]
    weighted = weight * x
    total, first = weight.sum(axis=1), weighted.sum(axis=1)
    mean, spread = weight @ outcome / total, total * (weighted * x).sum(axis=1) - first**2
    level |= spread <= 1e-12 * total**2
    slope = (total * (weighted @ outcome) - first * (weight @ outcome)) / np.where(level, 1, spread)
    return np.asarray(np.where(level, mean, mean - slope * first / total))
