"""Metrics of a number that is predicted: R², mean absolute error, Pearson's and Spearman's correlation.

R² is 1 - Σ(y - ŷ)² / Σ(y - ȳ)², which is negative where the mean of the rows predicts better, and undefined where y
does not vary. A correlation is undefined where one of its sides does not vary. Spearman's is Pearson's of midranks.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats, Measure


def regression_measure(targets: Floats, predicted: Floats) -> Measure:
    """The measure of r2, mae, pearson and spearman. Spearman's ranks are those of the rows, not of a resample.

    Args:
        targets: [n].
        predicted: [n].

    Raises:
        StageError: no rows, different lengths, or a number that is not finite.
    """
    if targets.shape != predicted.shape or not len(targets) or not np.isfinite([targets, predicted]).all():
        raise StageError(
            "targets and predictions disagree, or are not finite", expected=targets.shape, got=predicted.shape
        )
    error, scale = targets - predicted, float(np.abs(targets - targets.mean()).max()) or 1.0
    ranks = rankdata(targets), rankdata(predicted)
    sides = [_standard(x) for x in (targets, predicted, *ranks)]

    def measure(weights: Floats) -> dict[str, Floats]:
        total = weights.sum(axis=1)
        spread = _covariance(weights, total, sides[0], sides[0])
        return {
            "r2": 1 - _ratio(weights @ (error / scale) ** 2 / total, spread),
            "mae": np.asarray(weights @ np.abs(error) / total),
            "pearson": _correlation(weights, total, sides[0], sides[1]),
            "spearman": _correlation(weights, total, sides[2], sides[3]),
        }

    return measure


def _standard(x: Floats) -> Floats:
    """Centred and divided by the largest deviation, so that products neither overflow nor cancel."""
    centred: Floats = x - x.mean()
    largest = float(np.abs(centred).max())
    return np.asarray(centred / largest if largest > 0 else centred)


def _correlation(weights: Floats, total: Floats, x: Floats, y: Floats) -> Floats:
    spread = _covariance(weights, total, x, x) * _covariance(weights, total, y, y)
    return _ratio(_covariance(weights, total, x, y), np.sqrt(np.maximum(spread, 0)))


def _covariance(weights: Floats, total: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(weights @ (x * y) / total - (weights @ x) * (weights @ y) / total**2)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(len(bottom), np.nan), where=bottom > 1e-12)
    return ratio
