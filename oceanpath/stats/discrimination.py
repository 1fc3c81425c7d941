"""Ranking performance of scores: area under the ROC curve, average precision, and the curves themselves.

AUROC is the probability that a positive outranks a negative, ties counting one half (Mann and Whitney 1947; Hanley and
McNeil 1982). AUPRC is average precision, Σ (recall_k - recall_{k-1}) · precision_k over distinct thresholds, without
interpolation. Beyond two classes both are the plain mean over the classes that have rows inside and outside, one
against the rest; a class without rows is excluded from both sum and denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.estimate import UNDEFINED, Estimate

Floats = NDArray[np.float64]
Weights = NDArray[Any]
"""[R, n], how often each row counts: int32, or float64."""
Measure = Callable[[Weights], Mapping[str, Floats]]
"""Weights → {metric: values [R]}, NaN where undefined."""


@dataclass(frozen=True)
class SumMeasure:
    """A measure that is a function of weighted sums over the rows: one matrix product for all resamples."""

    columns: Floats
    """[n, m]."""
    finish: Callable[[Floats], Mapping[str, Floats]]
    """Sums [R, m] → {metric: values [R]}."""

    def __call__(self, weights: Weights) -> Mapping[str, Floats]:
        """The metrics of weights [R, n]."""
        return self.finish(weights @ self.columns)


@dataclass(frozen=True)
class Curve:
    """Points of a curve from the strictest threshold to the most lenient one."""

    x: Floats
    """[k] false positive rate (ROC) or recall (precision-recall)."""
    y: Floats
    """[k] true positive rate (ROC) or precision (precision-recall)."""
    thresholds: Floats
    """[k] finite scores: a row is called positive at or above it. The first ROC point calls no row positive."""


def auroc(labels: NDArray[np.int64], probs: Floats) -> Estimate:
    """Area under the ROC curve.

    Args:
        labels: [n] class numbers.
        probs: [n, C]; with C = 2 the last column is the score.
    """
    return _single("auroc", labels, probs)


def auprc(labels: NDArray[np.int64], probs: Floats) -> Estimate:
    """Average precision; arguments as `auroc`."""
    return _single("auprc", labels, probs)


def ranking_measure(labels: NDArray[np.int64], probs: Floats) -> Measure:
    """The measure of auroc and auprc; arguments as `auroc`. Scores are sorted once."""
    check_rows(labels, probs)
    candidates = scored_classes(probs.shape[1])
    ranked = [Ranked(labels == c, probs[:, c]) for c in candidates if 0 < np.sum(labels == c) < len(labels)]

    def measure(weights: Floats) -> dict[str, Floats]:
        if not ranked:
            return {name: np.full(len(weights), np.nan) for name in ("auroc", "auprc")}
        areas = [one.areas(weights) for one in ranked]
        return {"auroc": np.mean([a for a, _ in areas], axis=0), "auprc": np.mean([p for _, p in areas], axis=0)}

    return measure


def scored_classes(n_classes: int) -> Sequence[int]:
    """Classes that are judged against the rest: the last one of two, else all."""
    return [1] if n_classes == 2 else range(n_classes)


class Ranked:
    """Rows in score order, and where the positives and their runs of equal scores are in it.

    One cumulative sum of the weights gives the rows below every positive; everything else reads positives alone.
    """

    def __init__(self, positive: NDArray[np.bool_], scores: Floats) -> None:
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.at = np.flatnonzero(positive[self.order])
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.has_ties = len(starts) < len(ordered)
        run = np.searchsorted(starts, self.at, side="right") - 1
        self.first, self.last = starts[run], np.r_[starts[1:], len(ordered)][run] - 1
        self.first_positive = np.searchsorted(self.at, self.first)

    def areas(self, weights: Weights) -> tuple[Floats, Floats]:
        """AUROC [R] and average precision [R] of each row of weights [R, n]; NaN where a class has no weight."""
        counts, below, through, total = self._sums(weights)
        own = counts.astype(np.float64)
        n_pos = own.sum(axis=1)
        pairs = n_pos * (total - n_pos)
        wins = _wins(own, below, through, n_pos)
        positives_below = np.cumsum(counts, axis=1, dtype=counts.dtype) - counts
        if self.has_ties:
            positives_below = positives_below.take(self.first_positive, axis=1)
        above = np.maximum(total[:, None] - below, 1e-300)  # 0 / 0 only where the weight is 0
        precision = (n_pos[:, None] - positives_below) / above
        with np.errstate(invalid="ignore", divide="ignore"):
            area, average = wins / pairs, np.einsum("ij,ij->i", own, precision) / n_pos
        undefined = pairs == 0
        return np.where(undefined, np.nan, area), np.where(undefined, np.nan, average)

    def wins(self, weights: Weights) -> tuple[Floats, Floats]:
        """Pairs in which the positive outranks the negative [R], ties counting one half, and all pairs [R]."""
        counts, below, through, total = self._sums(weights)
        own = counts.astype(np.float64)
        n_pos = own.sum(axis=1)
        return _wins(own, below, through, n_pos), n_pos * (total - n_pos)

    def _sums(self, weights: Weights) -> tuple[Weights, Weights, Weights, Floats]:
        """Per positive its weight, the weight of lower scores, and that up to its own score [R, m]; the total [R].

        Sums keep the type of the weights: those of whole numbers take an eighth of the time.
        """
        ordered = weights.take(self.order, axis=1)
        own = ordered.take(self.at, axis=1)
        cumulated = np.cumsum(ordered, axis=1, dtype=ordered.dtype)
        total = cumulated[:, -1].astype(np.float64)
        through = cumulated.take(self.last, axis=1)
        if not self.has_ties:
            return own, through - own, through, total
        below = np.where(self.first > 0, cumulated.take(self.first - 1, axis=1), 0)
        return own, below, through, total


def _wins(own: Floats, below: Weights, through: Weights, n_pos: Floats) -> Floats:
    """Midranks of the positives summed, minus those among themselves."""
    wins: Floats = (np.einsum("ij,ij->i", own, below + through) - n_pos**2) / 2
    return wins


def roc_curve(positive: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> Curve:
    """Points of the ROC curve, from (0, 0) to (1, 1).

    Args:
        positive: [n] bool, with both values present.
        scores: [n].
        weights: [n], how often each row counts; once when None.

    Raises:
        StageError: one class only.
    """
    thresholds, tp, fp = _cumulated(positive, scores, weights)
    first = np.nextafter(thresholds[0], np.inf)  # finite: above every score
    return Curve(np.r_[0.0, fp / fp[-1]], np.r_[0.0, tp / tp[-1]], np.r_[first, thresholds])


def pr_curve(positive: NDArray[np.bool_], scores: Floats, weights: Floats | None = None) -> Curve:
    """Points (recall, precision), one per distinct threshold; arguments and errors as `roc_curve`."""
    thresholds, tp, fp = _cumulated(positive, scores, weights)
    return Curve(tp / tp[-1], tp / np.maximum(tp + fp, 1e-300), thresholds)


def check_rows(labels: NDArray[np.int64], probs: Floats) -> None:
    """Raise StageError unless labels [n] and probabilities [n, C] agree, with n >= 1, C >= 2 and finite values."""
    if probs.ndim != 2 or probs.shape[1] < 2 or len(probs) != len(labels) or len(labels) == 0:
        raise StageError("labels and probabilities disagree", expected=f"[{len(labels)}, C >= 2]", got=probs.shape)
    if not np.isfinite(probs).all():
        raise StageError("a probability is not finite")
    if labels.min() < 0 or labels.max() >= probs.shape[1]:
        raise StageError("a label is no class number", expected=f"0 to {probs.shape[1] - 1}", got=labels.max())


def _single(name: str, labels: NDArray[np.int64], probs: Floats) -> Estimate:
    value = float(ranking_measure(labels, probs)(np.ones((1, len(labels))))[name][0])
    if np.isnan(value):
        return Estimate(None, n=len(labels), reason=UNDEFINED[name])
    return Estimate(value, n=len(labels))


def _cumulated(positive: NDArray[np.bool_], scores: Floats, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Distinct scores, falling, and the weight of positives and negatives at or above each."""
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ordered, hit, weight = scores[order], positive[order], weights[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    tp, fp = np.cumsum(weight * hit)[ends], np.cumsum(weight * ~hit)[ends]
    if tp[-1] == 0 or fp[-1] == 0:
        raise StageError("a curve needs both classes", got=UNDEFINED["auroc"])
    return ordered[ends], tp, fp
