"""AUROC of several classes as the mean over pairs of classes (Hand and Till 2001, eq. 7).

For two classes i and j only their rows are ranked, once by the probability of i and once by that of j; unlike the mean
of one class against the rest it does not depend on the class frequencies. Classes without rows are left out.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats, check_rows
from oceanpath.stats.placements import auroc_influence


def hand_till_influence(labels: NDArray[np.int64], probs: Floats) -> Influence | None:
    """The mean and the influence of every row on it; None with fewer than two classes.

    Args:
        labels: [n] class numbers.
        probs: [n, C].
    """
    check_rows(labels, probs)
    pairs = list(permutations(np.unique(labels).tolist(), 2))
    if not pairs:
        return None
    value, rows, leverage = 0.0, np.zeros(len(labels)), np.zeros(len(labels))
    for i, j in pairs:
        own = np.flatnonzero((labels == i) | (labels == j))
        score = probs[own, i]
        one = auroc_influence((labels[own] == i).astype(np.int64), np.stack([1 - score, score], axis=1))
        assert one is not None, "both classes have rows"
        value += one.value / len(pairs)
        rows[own] += one.rows / len(pairs)
        leverage[own] += one.leverage / len(pairs)
    return Influence(value, rows, leverage, labels)
