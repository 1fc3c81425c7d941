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
    smooth = np.array([_local_line(outcome, score, at) for at in grid]).clip(0, 1)
    return float(np.abs(np.interp(score, grid, smooth) - score).mean())


def _local_line(outcome: Floats, score: Floats, at: float) -> float:
    """Value at `at` of the line through the nearest `SPAN` of the rows, sorted by score, weighted by their distance."""
    k = max(1, int(np.ceil(SPAN * len(score))))
    reaches = np.maximum(at - score[: len(score) - k + 1], score[k - 1 :] - at)  # of every k successive rows
    if (reach := float(reaches.min())) <= 0:
        return float(outcome[score == at].mean())
    x = score - at
    share = np.minimum(np.abs(x) / reach, 1)
    weight = 1 - share * share * share
    weight = weight * weight * weight
    if not weight.any():  # all of the nearest rows have the same distance
        return float(outcome[np.abs(x) <= reach].mean())
    weighted = weight * x
    total, spread = float(weight.sum()), float(weight.sum() * (weighted @ x) - weighted.sum() ** 2)
    mean = float(weight @ outcome / total)
    if spread <= 1e-12 * total**2:
        return mean
    slope = (total * (weighted @ outcome) - weighted.sum() * (weight @ outcome)) / spread
    return float(mean - slope * weighted.sum() / total)
