"""The robustness index against its definition, counted slide by slide."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from oceanpath.stats.robustness import NEIGHBOURS, robustness_index

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

CLASSES, SITES = np.arange(48) % 2, np.arange(48) // 2 % 3
PATIENTS = [f"P{number}" for number in range(48)]


def neighbours(x: Floats, slide: int, k: int) -> Numbers:
    """The k most similar other slides, most similar first; each slide has its own patient here."""
    cosines = x @ x[slide] / np.linalg.norm(x, axis=1) / np.linalg.norm(x[slide])
    cosines[slide] = -np.inf
    return np.argsort(-cosines)[:k]


def vote(x: Floats, k: int) -> float:
    """Balanced accuracy of the vote of the k nearest slides."""
    correct: list[list[bool]] = [[], []]
    for slide in range(len(x)):
        classes = CLASSES[neighbours(x, slide, k)].tolist()
        correct[CLASSES[slide]].append(bool(max((0, 1), key=classes.count) == CLASSES[slide]))
    return float(np.mean([np.mean(one) for one in correct]))


def expected(x: Floats, k: int) -> float:
    same_class = same_site = 0
    for slide in range(len(x)):
        for other in neighbours(x, slide, k):
            one, two = CLASSES[other] == CLASSES[slide], SITES[other] == SITES[slide]
            same_class, same_site = same_class + (one and not two), same_site + (two and not one)
    return same_class / (same_class + same_site)


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_index_is_counted_at_the_k_whose_vote_predicts_the_class_best(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(48, 6))
    x[:, 0] += 0.8 * (2 * CLASSES - 1)
    x[:, 1] += SITES - 1
    votes = {k: vote(x, k) for k in NEIGHBOURS}
    best = max(votes, key=lambda k: (votes[k], -k))
    found = robustness_index(x, CLASSES, SITES, PATIENTS)
    assert best > 1, "with one neighbour, counts and shares are the same"
    assert (found.k, found.n) == (best, 48) and found.value == pytest.approx(expected(x, best))
