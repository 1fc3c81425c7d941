"""Metrics of survival as functions of weights of rows, for intervals from resamples of patients.

With weights of 1 they equal the functions of this package for single tables: `harrell`, `uno`, `mean_dynamic_auc` and
`integrated_brier`. Censoring curves come from training rows and are not estimated again per resample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats, Measure, Weights
from oceanpath.stats.survival.kaplan_meier import Events, kaplan_meier


@dataclass(frozen=True)
class PredictedSurvival:
    """Rows with times and predictions, and the probabilities of being uncensored in the training rows."""

    time: Floats
    """[n]."""
    event: Events
    """[n]."""
    risk: Floats
    """[n]."""
    survival: Floats
    """[n, k] at the horizons."""
    horizons: Floats
    """[k], rising."""
    free: Floats
    """[n] probability of being uncensored at the time of each row."""
    free_later: Floats
    """[n, k] the same at the horizons."""
    reference: Floats
    """[n, k] survival of the training rows at the horizons, the same for all rows of a fold."""


def concordance_measure(rows: tuple[Floats, Events, Floats], weights: Mapping[str, Floats]) -> Measure:
    """C-indices of times, events and risks, [n] each; NaN in resamples without a comparable pair.

    For each name, pairs are weighted by the [n] weights of their earlier row.
    """
    sums = {name: _pair_sums(rows, own) for name, own in weights.items()}

    def measure(counts: Weights) -> dict[str, Floats]:
        return {name: _ratio(*own(counts)) for name, own in sums.items()}

    return measure


def within_folds_measure(name: str, rows: tuple[Floats, Events, Floats], folds: NDArray[np.int64]) -> Measure:
    """The C-index of Harrell over the pairs of rows of the same fold."""
    time, event, risk = rows
    own = [np.flatnonzero(folds == number) for number in np.unique(folds)]
    parts = [_pair_sums((time[k], event[k], risk[k]), event[k].astype(np.float64)) for k in own]

    def measure(counts: Weights) -> dict[str, Floats]:
        sums = [part(counts[:, k]) for part, k in zip(parts, own, strict=True)]
        return {name: _ratio(np.sum([top for top, _ in sums], axis=0), np.sum([all_ for _, all_ in sums], axis=0))}

    return measure


def _pair_sums(rows: tuple[Floats, Events, Floats], weights: Floats) -> Callable[[Weights], tuple[Floats, Floats]]:
    """Weighted numbers of concordant and of comparable pairs in each resample."""
    time, event, risk = rows
    earlier = np.flatnonzero(weights > 0)
    later = (time > time[earlier, None]) | ((time == time[earlier, None]) & ~event)
    agrees = np.sign(risk[earlier, None] - risk) / 2 + 0.5
    concordant, comparable = np.where(later, agrees, 0.0).astype(np.float32), later.astype(np.float32)

    def sums(counts: Weights) -> tuple[Floats, Floats]:
        own, others = counts[:, earlier] * weights[earlier], counts.astype(np.float32)
        return (own * (others @ concordant.T)).sum(axis=1), (own * (others @ comparable.T)).sum(axis=1)

    return sums


def brier_measure(rows: PredictedSurvival) -> Measure:
    """The integrated Brier score over the horizons, `ibs`, and `ibs_scaled`, 1 minus its ratio to that of Kaplan-Meier.

    With one horizon it is the Brier score at that time.
    """
    own, reference = (_integrate(_squared(rows, curves), rows.horizons) for curves in (rows.survival, rows.reference))

    def measure(counts: Weights) -> dict[str, Floats]:
        total, score, constant = counts.sum(axis=1), counts @ own, counts @ reference
        return {"ibs": np.asarray(score / total), "ibs_scaled": 1 - _ratio(score, constant)}

    return measure


def brier_scores(rows: PredictedSurvival) -> Floats:
    """Brier score [k] at each horizon."""
    return np.asarray(_squared(rows, rows.survival).mean(axis=0))


def dynamic_auc_measure(rows: PredictedSurvival) -> Measure:
    """`auc_dynamic`: the mean over the horizons of the cumulative/dynamic AUROC, by the decrease of survival."""
    curve = kaplan_meier(rows.time, rows.event)
    drops = -np.diff(np.r_[1.0, curve.at(rows.horizons)])
    inverse = np.divide(1.0, rows.free, out=np.zeros(len(rows.time)), where=rows.event & (rows.free > 0))
    order = np.argsort(rows.risk, kind="stable")
    ordered = rows.risk[order]
    low, high = (np.searchsorted(ordered, rows.risk, side=side) for side in ("left", "right"))

    def area(counts: Weights, at: float) -> Floats:
        controls = np.where(rows.time > at, counts, 0)[:, order]
        below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(controls, axis=1)], axis=1)
        cases = np.where(rows.time <= at, inverse, 0.0) * counts
        wins = (cases * (below[:, low] + below[:, high]) / 2).sum(axis=1)
        return _ratio(wins, cases.sum(axis=1) * below[:, -1])

    def measure(counts: Weights) -> dict[str, Floats]:
        areas = np.stack([area(counts, float(at)) for at in rows.horizons], axis=1)
        known = np.where(np.isnan(areas), 0.0, drops)
        return {"auc_dynamic": _ratio((known * np.nan_to_num(areas)).sum(axis=1), known.sum(axis=1))}

    return measure


def rmst_measure(name: str, rows: tuple[Floats, Events], in_group: Events, tau: float) -> Measure:
    """Difference of the restricted mean survival times until `tau`: rows of the group minus the others."""
    time, event = rows
    order = np.lexsort((~event, time))  # of equal times the events first, so that single steps are those of a tie
    steps = np.diff(np.minimum(np.r_[0.0, time[order]], tau), append=tau)

    def mean(counts: Weights) -> Floats:
        own = counts[:, order].astype(np.float64)
        at_risk = np.cumsum(own[:, ::-1], axis=1)[:, ::-1]
        hazard = np.divide(own * event[order], at_risk, out=np.zeros_like(own), where=at_risk > 0)
        survival = np.cumprod(1 - hazard, axis=1)
        area = steps[0] + survival @ steps[1:]
        return np.where(at_risk[:, 0] > 0, area, np.nan)

    def measure(counts: Weights) -> dict[str, Floats]:
        return {name: mean(np.where(in_group, counts, 0)) - mean(np.where(in_group, 0, counts))}

    return measure


def _squared(rows: PredictedSurvival, curves: Floats) -> Floats:
    """Squared errors [n, k] of survival curves, weighted for censoring."""
    happened = rows.event[:, None] & (rows.time[:, None] <= rows.horizons)
    reached = rows.time[:, None] > rows.horizons
    own = np.divide(1.0, rows.free, out=np.zeros(len(rows.time)), where=rows.free > 0)
    return np.asarray(
        np.where(happened, own[:, None] * curves**2, np.where(reached, (1 - curves) ** 2 / rows.free_later, 0.0))
    )


def _integrate(errors: Floats, horizons: Floats) -> Floats:
    if len(horizons) == 1:
        return errors[:, 0]
    return np.asarray(np.trapezoid(errors, horizons, axis=1) / (horizons[-1] - horizons[0]))


def _ratio(top: Floats, bottom: Floats) -> Floats:
    ratio: Floats = np.divide(top, bottom, out=np.full(len(bottom), np.nan), where=bottom > 0)
    return ratio
