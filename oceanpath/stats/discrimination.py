"""Ranking performance of scores: area under the ROC curve, average precision, and the curves themselves.

AUROC is the probability that a positive outranks a negative, ties counting one half (Mann and Whitney 1947; Hanley and
McNeil 1982). AUPRC is average precision, Σ (recall_k - recall_{k-1}) · precision_k over distinct thresholds, without
interpolation. Beyond two classes both are the plain mean over the classes that have rows inside and outside, one
against the rest; a class without rows is excluded from both sum and denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.estimate import UNDEFINED, Estimate

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Mapping[str, Floats]]
"""Weights [R, n] → {metric: values [R]}, NaN where undefined."""


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
    """Rows in score order, and the positions at which a run of equal scores starts."""

    def __init__(self, positive: NDArray[np.bool_], scores: Floats) -> None:
        self.order = np.argsort(scores, kind="stable")
        self.positive = positive[self.order].astype(np.float64)
        ordered = scores[self.order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.starts = starts if len(starts) < len(ordered) else None

    def areas(self, weights: Floats) -> tuple[Floats, Floats]:
        """AUROC [R] and average precision [R] of each row of weights [R, n]; NaN where a class has no weight."""
        wp, wn = self._by_score(weights)
        wins, pairs, below = _wins(wp, wn)
        n_pos, n_neg = wp.sum(axis=1), below[:, -1]
        above_pos = n_pos[:, None] - np.cumsum(wp, axis=1) + wp
        above_neg = n_neg[:, None] - below + wn
        precision = above_pos / np.maximum(above_pos + above_neg, 1e-300)  # 0/0 only where wp is 0
        with np.errstate(invalid="ignore", divide="ignore"):
            area, average = wins / pairs, np.einsum("ij,ij->i", wp, precision) / n_pos
        undefined = pairs == 0
        return np.where(undefined, np.nan, area), np.where(undefined, np.nan, average)

    def wins(self, weights: Floats) -> tuple[Floats, Floats]:
        """Pairs in which the positive outranks the negative [R], ties counting one half, and all pairs [R]."""
        wins, pairs, _ = _wins(*self._by_score(weights))
        return wins, pairs

    def _by_score(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of positives and of negatives at each distinct score, rising."""
        both = weights[:, self.order]
        wp = both * self.positive
        wn = both - wp
        if self.starts is not None:
            wp, wn = np.add.reduceat(wp, self.starts, axis=1), np.add.reduceat(wn, self.starts, axis=1)
        return wp, wn


def _wins(wp: Floats, wn: Floats) -> tuple[Floats, Floats, Floats]:
    below = np.cumsum(wn, axis=1)
    wins: Floats = np.einsum("ij,ij->i", wp, below - wn / 2)
    return wins, wp.sum(axis=1) * below[:, -1], below


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
