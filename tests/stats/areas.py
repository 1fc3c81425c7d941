"""Shared by tests of areas: results that exist."""

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
