"""Metrics of several binary labels, each on the rows where it is known.

The mean over labels excludes a label whose known rows have one value only; in a resample too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats, Ranked, Weights
from oceanpath.stats.estimate import ClosedInterval, Estimate
from oceanpath.stats.intervals.defaults import area_influences, area_interval
from oceanpath.stats.panel import evaluate_decisions
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap

ONE_VALUE = "the known rows of the label have one value only"
NAMES = ("auroc", "auprc", "brier")
RATES = ("sensitivity", "specificity", "ppv", "npv")
NO_THRESHOLD = "a fold has no threshold of the label: its inner validation rows have one value only"


def evaluate_labels(targets: Floats, probs: Floats, names: Sequence[str], drawn: Resamples) -> Bootstrap:
    """auroc, auprc and brier: means over the labels; and the same of each label, as ``auroc_<label>``.

    Intervals of the AUROC of a label have a closed form; the others are percentiles of resampled patients.

    Args:
        targets: [n, L], 1, 0 or NaN where a label is unknown.
        probs: [n, L].
        names: Of the labels.
        drawn: Resamples of the patients of these rows.
    """
    measures = [_LabelMeasure(targets[:, k], probs[:, k]) for k in range(len(names))]

    def measure(weights: Weights) -> dict[str, Floats]:
        rows = [one(weights) for one in measures]
        found = {name: _mean([row[name] for row in rows]) for name in NAMES}
        return found | {f"{name}_{label}": row[name] for label, row in zip(names, rows, strict=True) for name in NAMES}

    found = bootstrap([measure], drawn, _closed(targets, probs, names, drawn))
    return replace(found, undefined=dict.fromkeys(found.values, ONE_VALUE))


def macro_auroc(targets: Floats, probs: Floats) -> float | None:
    """The mean AUROC of the labels; None if every label has one value only."""
    once = np.ones((1, len(targets)))
    areas = [_LabelMeasure(targets[:, k], probs[:, k])(once)["auroc"] for k in range(targets.shape[1])]
    value = float(_mean(areas)[0])
    return None if np.isnan(value) else value


class _LabelMeasure:
    """The metrics of one label for weights [R, n] of all rows."""

    def __init__(self, targets: Floats, probs: Floats) -> None:
        self.own = np.flatnonzero(~np.isnan(targets))
        positive = targets[self.own] == 1
        self.is_ranked = 0 < positive.sum() < len(positive)
        self.ranked = Ranked(positive, probs[self.own]) if self.is_ranked else None
        self.squares = (probs[self.own] - positive) ** 2

    def __call__(self, weights: Weights) -> dict[str, Floats]:
        kept = weights.take(self.own, axis=1)
        nothing = np.full(len(kept), np.nan)
        area, average = (nothing, nothing) if self.ranked is None else self.ranked.areas(kept)
        total = kept.sum(axis=1).astype(np.float64)
        brier = np.divide(kept @ self.squares, total, out=nothing.copy(), where=total > 0)
        return {"auroc": area, "auprc": average, "brier": brier}


def _mean(values: Sequence[Floats]) -> Floats:
    """The mean over labels of values [R], without undefined ones; NaN if all are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no label is NaN, as intended
        return np.asarray(np.nanmean(np.stack(values), axis=0), np.float64)


def _closed(targets: Floats, probs: Floats, names: Sequence[str], drawn: Resamples) -> dict[str, ClosedInterval]:
    """The interval of the AUROC of each label that has both values."""
    found = {}
    for k, name in enumerate(names):
        own = ~np.isnan(targets[:, k])
        pair = np.column_stack([1 - probs[own, k], probs[own, k]])
        areas = area_influences(targets[own, k].astype(np.int64), pair) if own.any() else {}
        if "auroc" in areas:
            found[f"auroc_{name}"] = area_interval(areas["auroc"], drawn.numbers[own])
    return found


def evaluate_label_decisions(
    targets: Floats, decisions: Floats, names: Sequence[str], drawn: Resamples, confidence: float
) -> dict[str, Estimate]:
    """`RATES` of the decisions about each label on its known rows, as ``sensitivity_<label>``.

    Args:
        targets: [n, L], 1, 0 or NaN where a label is unknown.
        decisions: [n, L], 1, 0 or NaN where there is no threshold; such a label has no rates.
        names: Of the labels.
        drawn: Resamples of the patients of these rows.
        confidence: Of the intervals.
    """
    found = dict[str, Estimate]()
    for k, name in enumerate(names):
        own = np.flatnonzero(~np.isnan(targets[:, k]))
        rates = _rates(targets[own, k], decisions[own, k], _known_patients(drawn, own), confidence)
        found |= {f"{rate}_{name}": estimate for rate, estimate in rates.items()}
    return found


def _rates(truth: Floats, decided: Floats, drawn: Resamples, confidence: float) -> dict[str, Estimate]:
    """`RATES` of one label."""
    n_patients = drawn.counts.shape[1]
    if not len(truth) or np.isnan(decided).any():
        reason = NO_THRESHOLD if len(truth) else "the label is unknown for every row"
        return dict.fromkeys(RATES, Estimate(None, n=len(truth), n_patients=n_patients, reason=reason))
    numbers = truth.astype(np.int64), decided.astype(np.int64)
    estimates = evaluate_decisions(*numbers, 2, drawn, confidence=confidence)
    return {rate: estimates[rate] for rate in RATES}


def _known_patients(drawn: Resamples, rows: NDArray[np.intp]) -> Resamples:
    """The same resamples, only of the patients of some rows."""
    patients, numbers = np.unique(drawn.numbers[rows], return_inverse=True)
    return replace(drawn, counts=drawn.counts[:, patients], numbers=numbers.astype(np.int64))
