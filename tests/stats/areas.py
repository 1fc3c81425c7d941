"""Shared by tests of areas: results that exist, and DeLong's covariance from all pairs."""

from __future__ import annotations

import numpy as np

from oceanpath.stats.clustered import Influence
from oceanpath.stats.placements import auroc_influence


def columns(scores: np.ndarray) -> np.ndarray:
    """Probabilities of two classes."""
    return np.stack([1 - scores, scores], axis=1)


def influence_of(labels: np.ndarray, probs: np.ndarray) -> Influence:
    """The influence of rows of both classes."""
    return existing(auroc_influence(labels, probs))


def existing(found: Influence | str | None) -> Influence:
    """An influence that exists."""
    assert isinstance(found, Influence)
    return found


def ends(found: tuple[float, float] | str) -> tuple[float, float]:
    """An interval that exists."""
    assert not isinstance(found, str)
    return found


def delong_covariance(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas [k] and their covariance [k, k] for scores [k, n]: DeLong et al. (1988), equations 5 and 6."""
    gaps = scores[:, positive][:, :, None] - scores[:, ~positive][:, None]
    wins = (gaps > 0) + 0.5 * (gaps == 0)
    by_row = [wins.mean(axis=2), wins.mean(axis=1)]
    covariances = [np.cov(rows).reshape(len(scores), -1) / rows.shape[1] for rows in by_row]
    return wins.mean(axis=(1, 2)), covariances[0] + covariances[1]
