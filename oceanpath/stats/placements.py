"""Influence of every row on an AUROC, from its placement among the rows of the other class.

The placement of a positive is the share of negatives that it outranks, that of a negative the share of positives that
outrank it, ties counting one half (DeLong et al. 1988, eq. 5). Placements are computed by sorting (Sun and Xu 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats, check_rows, scored_classes


def auroc_influence(labels: NDArray[np.int64], probs: Floats) -> Influence | None:
    """The AUROC of `oceanpath.stats.discrimination`, with the classes as strata; None with one class only.

    Args:
        labels: [n] class numbers.
        probs: [n, C]; with C = 2 the last column is the score, otherwise the mean over the classes.
    """
    check_rows(labels, probs)
    areas = [
        _one_area(labels == c, probs[:, c])
        for c in scored_classes(probs.shape[1])
        if 0 < np.sum(labels == c) < len(labels)
    ]
    return _mean(areas, labels) if areas else None


def within_fold_influence(labels: NDArray[np.int64], probs: Floats, folds: NDArray[np.int64]) -> Influence | None:
    """The AUROC over pairs of rows of the same fold (`oceanpath.stats.within_folds`); None without such a pair."""
    areas = []
    for c in scored_classes(probs.shape[1]):
        parts = _areas_of_folds(labels == c, probs[:, c], folds)
        pairs = np.array([part.pairs for part in parts])
        if pairs.sum():
            areas.append(_weighted(parts, pairs / pairs.sum(), len(labels)))
    return _mean(areas, labels) if areas else None


def mean_fold_influence(
    labels: NDArray[np.int64], probs: Floats, folds: NDArray[np.int64], patients: NDArray[np.int64]
) -> Influence | str:
    """The plain mean of the AUROCs of the folds, or why there is none.

    LeDell, Petersen and van der Laan (2015), eq. 9, with patients instead of rows, and with the factor k / (k - 1) for
    the variance of the k patients of a class in a fold. The target is the mean performance of these models.

    Args:
        labels: [n] class numbers.
        probs: [n, C].
        folds: [n] fold whose model scored each row.
        patients: [n] number of the patient of each row.
    """
    names, areas = np.unique(folds), []
    for c in scored_classes(probs.shape[1]):
        parts = _areas_of_folds(labels == c, probs[:, c], folds)
        if len(parts) < len(names):
            return "a fold does not hold all classes"
        areas.append(_weighted(parts, np.full(len(parts), 1 / len(parts)), len(labels)))
    found = _mean(areas, labels)
    scale = np.ones(len(labels))
    for fold in names:
        for c in np.unique(labels):
            own = (folds == fold) & (labels == c)
            if (count := np.unique(patients[own]).size) < 2:
                return "a fold has fewer than two patients of a class"
            scale[own] = np.sqrt(count / (count - 1))
    return Influence(found.value, found.rows * scale, found.leverage, labels)


class _Area:
    """The AUROC of some rows: value, pairs, and per row the deviation of its placement over the rows of its class."""

    def __init__(self, positive: NDArray[np.bool_], scores: Floats, at: NDArray[np.intp]) -> None:
        self.at = at
        up, down = scores[positive], scores[~positive]
        self.pairs = len(up) * len(down)
        placed = np.empty(len(scores))
        placed[positive] = midrank(np.sort(down), up) / len(down)
        placed[~positive] = 1 - midrank(np.sort(up), down) / len(up)
        self.value = float(placed[positive].mean())
        self.leverage = np.where(positive, 1 / len(up), 1 / len(down))
        self.rows = (placed - self.value) * self.leverage


def _one_area(positive: NDArray[np.bool_], scores: Floats) -> Influence:
    area = _Area(positive, scores, np.arange(len(scores)))
    return Influence(area.value, area.rows, area.leverage, positive.astype(np.int64))


def _areas_of_folds(positive: NDArray[np.bool_], scores: Floats, folds: NDArray[np.int64]) -> list[_Area]:
    """The areas of the folds that hold positives and negatives."""
    rows_of = [np.flatnonzero(folds == number) for number in np.unique(folds)]
    return [_Area(positive[at], scores[at], at) for at in rows_of if 0 < positive[at].sum() < len(at)]


def _weighted(parts: list[_Area], weights: Floats, n: int) -> Influence:
    """The weighted mean of areas of different rows, of n rows in all."""
    value = float(np.sum([weight * part.value for weight, part in zip(weights, parts, strict=True)]))
    rows, leverage = np.zeros(n), np.zeros(n)
    for weight, part in zip(weights, parts, strict=True):
        rows[part.at] = weight * part.rows
        leverage[part.at] = weight * part.leverage
    return Influence(value, rows, leverage, np.zeros(n, np.int64))


def _mean(areas: list[Influence], labels: NDArray[np.int64]) -> Influence:
    """The mean over the classes; influences are centred in each class, because class sizes are fixed."""
    rows = np.mean([one.rows for one in areas], axis=0)
    _, numbers = np.unique(labels, return_inverse=True)
    rows -= (np.bincount(numbers, rows) / np.bincount(numbers))[numbers]
    leverage = np.mean([one.leverage for one in areas], axis=0)
    return Influence(float(np.mean([one.value for one in areas])), rows, leverage, labels)


def midrank(ordered: Floats, values: Floats) -> Floats:
    """Number of elements of `ordered` below each value, ties counting one half."""
    below: Floats = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2
    return below
