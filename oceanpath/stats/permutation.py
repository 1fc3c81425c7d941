"""Permutation test of two models' AUROCs on the same rows: the models change places for whole patients.

Scores are replaced by their ranks within each model, because models may have different scales (Venkatraman and Begg
1996). Under the null a patient's ranks could as well come from the other model. p = (1 + k) / (1 + permutations).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats

BLOCK = 1 << 20
"""Ranks in memory at once."""


def permutation_test(
    positive: NDArray[np.bool_],
    scores: tuple[Floats, Floats],
    patients: NDArray[np.int64],
    permutations: int = 2000,
    seed: int = 42,
) -> float:
    """Two-sided p-value, never 0.

    Args:
        positive: [n] bool, with both values present.
        scores: [n] of both models.
        patients: [n] number of the patient of each row.
        permutations: How often.
        seed: Of the only generator in use.
    """
    if not 0 < positive.sum() < len(positive):
        raise StageError("an AUROC needs rows of two classes", got="one class")
    _, numbers = np.unique(patients, return_inverse=True)
    one, two = (rankdata(score) for score in scores)
    observed, rng, extreme = abs(_difference(positive, one[None], two[None])[0]), np.random.default_rng(seed), 0
    for start in range(0, permutations, step := max(1, BLOCK // len(positive))):
        swap = (
            rng.integers(0, 2, (min(step, permutations - start), int(numbers.max()) + 1), dtype=np.int8)[:, numbers]
            == 1
        )
        moved = _difference(positive, np.where(swap, two, one), np.where(swap, one, two))
        extreme += int((np.abs(moved) >= observed - 1e-12).sum())
    return (1 + extreme) / (1 + permutations)


def _difference(positive: NDArray[np.bool_], one: Floats, two: Floats) -> Floats:
    """AUROC of one minus that of two, [R], of ranks [R, n]."""
    sums = [rankdata(ranks, axis=1)[:, positive].sum(axis=1) for ranks in (one, two)]
    pairs = positive.sum() * (~positive).sum()
    return np.asarray((sums[0] - sums[1]) / pairs)
