"""Brier score of survival curves over time, weighted for censoring, and its mean against Kaplan-Meier.

Graf et al. (1999): at time t the squared distance of the predicted survival from 0 (event until t, weight 1 / G(T)) or
1 (later, weight 1 / G(t)); rows censored before t have weight 0. G is the censoring curve of the training rows. The
integrated score (IBS) is the mean over time by the trapezoidal rule; the scaled one is 1 - IBS / IBS of the
Kaplan-Meier curve of the training rows, so that 0 is no better than predicting the same curve for everyone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events, StepCurve, check_times


@dataclass(frozen=True)
class IntegratedBrier:
    """The mean over time, that of Kaplan-Meier, and 1 minus their ratio."""

    ibs: float
    kaplan_meier: float
    scaled: float


def brier_over_time(time: Floats, event: Events, survival: Floats, censoring: StepCurve, at: Floats) -> Floats:
    """Brier score [k] at each time.

    Args:
        time: [n].
        event: [n] bool.
        survival: [n, k] predicted probability of surviving each time of `at`.
        censoring: `censoring_curve` of the training rows.
        at: [k] times, rising.

    Raises:
        StageError: shapes disagree, or the censoring curve is 0 at one of the times.
    """
    check_times(time, event)
    if survival.shape != (len(time), len(at)):
        raise StageError("not one probability per row and time", expected=(len(time), len(at)), got=survival.shape)
    own, later = censoring.at(time), censoring.at(at)
    if (later <= 0).any():
        raise StageError(
            "a time is later than the training rows", expected=f"before {censoring.times[-1]:g}", got=at[-1]
        )
    happened = event[:, None] & (time[:, None] <= at)
    weight = np.where(happened, 1 / np.maximum(own, 1e-300)[:, None], (time[:, None] > at) / later)
    return np.asarray((weight * (survival - ~happened) ** 2).mean(axis=0))


def integrated_brier(
    time: Floats, event: Events, survival: Floats, training: tuple[StepCurve, StepCurve], at: Floats
) -> IntegratedBrier:
    """The integrated score over `at`; `training` are the survival and the censoring curve of the training rows."""
    kaplan, censoring = training
    constant = np.tile(kaplan.at(at), (len(time), 1))
    own, baseline = (
        float(np.trapezoid(brier_over_time(time, event, curves, censoring, at), at) / (at[-1] - at[0]))
        for curves in (survival, constant)
    )
    return IntegratedBrier(own, baseline, 1 - own / baseline if baseline > 0 else float("nan"))
