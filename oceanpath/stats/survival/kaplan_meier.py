"""Kaplan-Meier estimator (1958) of survival, and of being uncensored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats

Events = NDArray[np.bool_]


@dataclass(frozen=True)
class StepCurve:
    """A survival function that is 1 before the first time and constant between times."""

    times: Floats
    """[k] distinct times, rising."""
    survival: Floats
    """[k] value from each time on."""
    at_risk: NDArray[np.int64]
    """[k] rows that reach each time."""
    events: NDArray[np.int64]
    """[k]."""

    def at(self, times: Floats) -> Floats:
        """Values at `times`; beyond the last time the last value."""
        return np.asarray(np.r_[1.0, self.survival][np.searchsorted(self.times, times, side="right")])

    def median(self) -> float | None:
        """First time at which survival is at most one half; None if it stays above."""
        below = np.flatnonzero(self.survival <= 0.5 + 1e-12)
        return float(self.times[below[0]]) if below.size else None


def kaplan_meier(time: Floats, event: Events) -> StepCurve:
    """Survival of the rows.

    Args:
        time: [n].
        event: [n] bool, False where the time is censored.

    Raises:
        StageError: no rows, different lengths, or a time that is negative or not finite.
    """
    check_times(time, event)
    times, numbers = np.unique(time, return_inverse=True)
    events = np.bincount(numbers, event).astype(np.int64)
    at_risk = len(time) - np.r_[0, np.cumsum(np.bincount(numbers))[:-1]]
    return StepCurve(times, np.cumprod(1 - events / at_risk), at_risk.astype(np.int64), events)


def censoring_curve(time: Floats, event: Events) -> StepCurve:
    """Probability of being uncensored; rows with an event at a time are no longer at risk of censoring at that time."""
    check_times(time, event)
    times, numbers = np.unique(time, return_inverse=True)
    rows, events = np.bincount(numbers), np.bincount(numbers, event)
    at_risk = len(time) - np.r_[0, np.cumsum(rows)[:-1]] - events
    censored = rows - events
    factor = 1 - np.divide(censored, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    return StepCurve(times, np.cumprod(factor), at_risk.astype(np.int64), censored.astype(np.int64))


def check_times(time: Floats, event: Events) -> None:
    """Raise StageError unless times [n] and events [n] agree, with n >= 1 and finite times from 0 on."""
    if time.shape != event.shape or not len(time):
        raise StageError("not one time and one event per row, or no rows", expected=time.shape, got=event.shape)
    if not np.isfinite(time).all() or time.min() < 0:
        raise StageError("a time is negative or not finite", got=float(time.min()))
