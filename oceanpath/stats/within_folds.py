"""AUROC over pairs of rows that the same model scored.

The models of a cross-validation need not share a scale, so a pooled AUROC also compares scores of different models.
Here a positive is compared with the negatives of its own fold only: pairs that are ranked rightly over all such pairs,
both summed over the folds (Airola et al. 2011 compare pooling with averaging; here a fold counts by its pairs).
Beyond two classes it is the plain mean over the classes, one against the rest, as for the pooled AUROC.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats, Measure, Ranked, check_rows, scored_classes

NAME = "auroc_within_folds"


def within_fold_measure(labels: NDArray[np.int64], probs: Floats, folds: NDArray[np.int64]) -> Measure:
    """The measure of auroc_within_folds.

    Args:
        labels: [n] class numbers.
        probs: [n, C].
        folds: [n] fold whose model scored the row.

    Raises:
        StageError: the arrays disagree.
    """
    check_rows(labels, probs)
    if len(folds) != len(labels):
        raise StageError("rows without a fold, or folds without a row", expected=len(labels), got=len(folds))
    rows_of = [np.flatnonzero(folds == number) for number in np.unique(folds)]
    by_class = [_ranked(labels == c, probs[:, c], rows_of) for c in scored_classes(probs.shape[1])]
    defined = [ranked for ranked in by_class if ranked]

    def measure(weights: Floats) -> dict[str, Floats]:
        if not defined:
            return {NAME: np.full(len(weights), np.nan)}
        return {NAME: np.mean([_area(ranked, weights) for ranked in defined], axis=0)}

    return measure


FoldRows = tuple[NDArray[np.intp], Ranked]


def _ranked(positive: NDArray[np.bool_], scores: Floats, rows_of: list[NDArray[np.intp]]) -> list[FoldRows]:
    """The folds that hold positives and negatives."""
    return [(rows, Ranked(positive[rows], scores[rows])) for rows in rows_of if 0 < positive[rows].sum() < len(rows)]


def _area(ranked: list[FoldRows], weights: Floats) -> Floats:
    """Area [R] of weights [R, n]; NaN where no fold has a pair."""
    wins, pairs = np.sum([one.wins(weights[:, rows]) for rows, one in ranked], axis=0)
    area: Floats = np.divide(wins, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)
    return area
