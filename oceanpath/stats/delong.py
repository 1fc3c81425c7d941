"""DeLong's test of two correlated areas under the ROC curve.

DeLong, DeLong and Clarke-Pearson (1988), eq. 5 and 6; placements by sorting, after Sun and Xu (2014). Rows must be
independent: pass one row per patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Estimate


@dataclass(frozen=True)
class DeLong:
    """Two areas on the same rows. `z` and `p` are None with a reason where the difference has no variance."""

    auroc_a: float
    auroc_b: float
    standard_error: float
    """Of auroc_a - auroc_b."""
    z: float | None
    p: float | None
    """Two-sided."""
    n: int
    reason: str = ""

    @property
    def difference(self) -> float:
        """auroc_a - auroc_b."""
        return self.auroc_a - self.auroc_b

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Normal interval of the difference."""
        half = float(norm.ppf((1 + confidence) / 2)) * self.standard_error
        return self.difference - half, self.difference + half


def delong_covariance(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Areas [k] and their covariance [k, k].

    Args:
        positive: [n] bool, at least two rows of each kind.
        scores: [k, n], the same rows under k models.

    Raises:
        StageError: fewer than two rows of a class, or lengths that disagree.
    """
    v10, v01 = _placements(positive, scores)
    covariance = np.cov(v10).reshape(len(v10), -1) / v10.shape[1] + np.cov(v01).reshape(len(v01), -1) / v01.shape[1]
    return v10.mean(axis=1), covariance


def delong_auroc(positive: NDArray[np.bool_], scores: Floats, confidence: float = 0.95) -> Estimate:
    """The area of one model with its normal interval, cut at 0 and 1."""
    area, covariance = delong_covariance(positive, scores[None])
    half = float(norm.ppf((1 + confidence) / 2)) * float(np.sqrt(covariance[0, 0]))
    value, n = float(area[0]), len(positive)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), n, n)


def delong_test(positive: NDArray[np.bool_], a: Floats, b: Floats) -> DeLong:
    """Two-sided test that two models have the same area.

    Args:
        positive: [n] bool, one row per patient.
        a: [n] scores of one model.
        b: [n] scores of the other model, same rows in the same order.

    Raises:
        StageError: as `delong_covariance`.
    """
    v10, v01 = _placements(positive, np.stack([a, b]))
    areas = v10.mean(axis=1)
    # The variance of the difference directly: the sum of covariances would lose digits when models are nearly equal.
    variance = float(np.var(v10[0] - v10[1], ddof=1) / v10.shape[1] + np.var(v01[0] - v01[1], ddof=1) / v01.shape[1])
    error, difference = float(np.sqrt(variance)), float(areas[0] - areas[1])
    first, second, n = float(areas[0]), float(areas[1]), len(positive)
    if error > 1e-15:
        z = difference / error
        return DeLong(first, second, error, z, float(2 * norm.sf(abs(z))), n)
    if abs(difference) < 1e-15:
        return DeLong(first, second, 0.0, 0.0, 1.0, n, "the models rank every pair equally")
    return DeLong(first, second, 0.0, None, None, n, "the difference has no variance")


def _placements(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Per model, the share of negatives below each positive [k, m] and of positives above each negative [k, n]."""
    if scores.ndim != 2 or scores.shape[1] != len(positive):
        raise StageError("not one score per row and model", expected=len(positive), got=scores.shape)
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2:
        raise StageError("DeLong's variance needs two rows of each class", got=f"{m} positive, {n} negative")
    v10, v01 = np.empty((len(scores), m)), np.empty((len(scores), n))
    for k, score in enumerate(scores):
        up, down = score[positive], score[~positive]
        v10[k] = _midrank(np.sort(down), up) / n
        v01[k] = 1 - _midrank(np.sort(up), down) / m
    return v10, v01


def _midrank(ordered: Floats, values: Floats) -> Floats:
    """How many of `ordered` lie below each value, ties counting one half."""
    below: Floats = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return below
