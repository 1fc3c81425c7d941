"""Concordance of risks with times: C of Harrell and of Uno.

A pair is comparable if the row with the earlier time has an event; at equal times an event and a censored row are
comparable, two events are not. It is concordant if the earlier event has the higher risk, and counts one half if both
risks are equal. The C-index reads a risk, not a curve: a report states how a curve becomes one number.

Harrell (1982) weights all pairs equally, so its target depends on the censoring. Uno et al. (2011) weight a pair by
1 / G(t)² with the censoring curve G of the training rows, and only events before `tau` count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events, StepCurve, check_times

MIN_AT_RISK = 0.1
"""Share of the training rows that are still at risk at the default `tau`."""


@dataclass(frozen=True)
class Concordance:
    """A C-index with its name; `value` is None with a reason where no pair is comparable."""

    estimator: str
    value: float | None
    comparable: int
    """Pairs."""
    tied_risk: int
    tau: float | None = None
    reason: str = ""


def harrell(time: Floats, event: Events, risk: Floats) -> Concordance:
    """Harrell's C of risks [n]: the higher, the earlier the event."""
    return _concordance("Harrell", time, event, risk, event.astype(np.float64), None)


def uno(time: Floats, event: Events, risk: Floats, censoring: StepCurve, tau: float) -> Concordance:
    """Uno's C.

    Args:
        time: [n].
        event: [n] bool.
        risk: [n].
        censoring: `censoring_curve` of the training rows.
        tau: Events from this time on do not count; see `default_tau`.

    Raises:
        StageError: lengths differ, or an event before `tau` is beyond the censoring curve.
    """
    counted = event & (time < tau)
    free = censoring.at(time)
    if np.any(counted & (free <= 0)):
        raise StageError(
            "an event is later than the training rows", expected=f"before {censoring.times[-1]:g}", got=tau
        )
    weights = np.divide(1.0, free**2, out=np.zeros(len(time)), where=counted)
    return _concordance("Uno", time, event, risk, weights, tau)


def default_tau(curve: StepCurve) -> float:
    """Last time at which at least `MIN_AT_RISK` of the training rows are at risk."""
    enough = np.flatnonzero(curve.at_risk >= MIN_AT_RISK * curve.at_risk[0])
    return float(curve.times[enough[-1]])


def _concordance(
    estimator: str, time: Floats, event: Events, risk: Floats, weights: Floats, tau: float | None
) -> Concordance:
    """Weighted share of concordant pairs; `weights` [n] are those of the earlier rows, 0 without a counted event."""
    check_times(time, event)
    if risk.shape != time.shape or not np.isfinite(risk).all():
        raise StageError("not one finite risk per row", expected=time.shape, got=risk.shape)
    concordant = total = 0.0
    comparable = tied = 0
    for i in np.flatnonzero(weights > 0):
        later = risk[(time > time[i]) | ((time == time[i]) & ~event)]
        equal = int((later == risk[i]).sum())
        concordant += weights[i] * (float((later < risk[i]).sum()) + equal / 2)
        total += weights[i] * len(later)
        comparable, tied = comparable + len(later), tied + equal
    if not comparable:
        return Concordance(estimator, None, 0, 0, tau, "no pair of rows is comparable")
    return Concordance(estimator, concordant / total, comparable, tied, tau)
