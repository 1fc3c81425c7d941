"""Comparison of two groups: log-rank test, and the difference in restricted mean survival time.

Log-rank (Mantel 1966; Peto and Peto 1972) has power against proportional hazards and estimates nothing; the
restricted mean survival time (RMST, Royston and Parmar 2013) is the area under the survival curve until tau, its
difference needs no proportional hazards. A threshold between groups is chosen on training rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import chi2

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events, StepCurve, check_times, kaplan_meier


@dataclass(frozen=True)
class LogRank:
    """Chi-square with one degree of freedom; None where no event distinguishes the groups."""

    statistic: float | None
    p: float | None


@dataclass(frozen=True)
class RmstDifference:
    """Restricted mean of the group minus that of the others, in the unit of time."""

    value: float
    low: float
    high: float
    p: float
    tau: float


def log_rank(time: Floats, event: Events, in_group: Events) -> LogRank:
    """Test that two groups, [n] bool, have the same hazard."""
    check_times(time, event)
    times = np.unique(time[event])
    at_risk = len(time) - np.searchsorted(np.sort(time), times)
    own_times = np.sort(time[in_group])
    own = len(own_times) - np.searchsorted(own_times, times)
    events = np.bincount(np.searchsorted(times, time[event]), minlength=len(times))
    own_events = np.bincount(np.searchsorted(times, time[event & in_group]), minlength=len(times))
    share = own / at_risk
    variance = events * share * (1 - share) * (at_risk - events) / np.maximum(at_risk - 1, 1)
    if variance.sum() <= 0:
        return LogRank(None, None)
    statistic = float((own_events - events * share).sum() ** 2 / variance.sum())
    return LogRank(statistic, float(chi2.sf(statistic, 1)))


def rmst(curve: StepCurve, tau: float) -> tuple[float, float]:
    """Restricted mean survival time until `tau`, and its variance (Klein and Moeschberger 2003, eq. 4.5.3).

    Raises:
        StageError: no row reaches `tau`.
    """
    if tau > curve.times[-1]:
        raise StageError("tau is later than the last time", expected=f"at most {curve.times[-1]:g}", got=tau)
    kept = curve.times < tau
    edges = np.r_[0.0, curve.times[kept], tau]
    areas = np.diff(edges) * np.r_[1.0, curve.survival[kept]]
    left = np.cumsum(areas[::-1])[::-1][1:]
    risk, events = curve.at_risk[kept], curve.events[kept]
    alive = risk * (risk - events)
    terms = np.divide(left**2 * events, alive, out=np.zeros(len(left)), where=alive > 0)
    return float(areas.sum()), float(terms.sum())


def rmst_difference(
    time: Floats, event: Events, in_group: Events, tau: float, confidence: float = 0.95
) -> RmstDifference:
    """Difference of the restricted means, group minus others, with its normal interval and p-value."""
    (a, va), (b, vb) = (rmst(kaplan_meier(time[rows], event[rows]), tau) for rows in (in_group, ~in_group))
    error, value = float(np.sqrt(va + vb)), a - b
    half = float(ndtri((1 + confidence) / 2)) * error
    p = 2 * float(ndtr(-abs(value) / error)) if error > 0 else 1.0
    return RmstDifference(value, value - half, value + half, p, tau)
