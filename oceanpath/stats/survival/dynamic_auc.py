"""Time-dependent AUROC: cumulative cases against dynamic controls, weighted for censoring.

At time t, rows with an event until t are cases, rows that reach a later time are controls, and rows censored before
are neither. A case has the weight 1 / G(T) with the censoring curve G of the training rows (Uno et al. 2007; Hung and
Chiang 2010). Ties of risks count one half.
"""

from __future__ import annotations

import numpy as np

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events, StepCurve, check_times


def dynamic_auc(time: Floats, event: Events, risk: Floats, censoring: StepCurve, at: Floats) -> Floats:
    """AUROC at each time of `at` [k]; NaN where there is no case or no control.

    Args:
        time: [n].
        event: [n] bool.
        risk: [n], the higher, the earlier the event.
        censoring: `censoring_curve` of the training rows.
        at: Times, within the training rows.
    """
    check_times(time, event)
    free = censoring.at(time)
    weights = np.divide(1.0, free, out=np.zeros(len(time)), where=event & (free > 0))
    return np.array([_area(risk, np.where(time <= t, weights, 0.0), time > t) for t in at])


def mean_dynamic_auc(areas: Floats, at: Floats, survival: StepCurve) -> float:
    """Mean of the areas, weighted by the decrease of survival between the times (Lambert and Chevret 2016)."""
    drops = -np.diff(np.r_[1.0, survival.at(at)])
    known = ~np.isnan(areas) & (drops > 0)
    return float(np.average(areas[known], weights=drops[known])) if known.any() else float("nan")


def _area(risk: Floats, cases: Floats, is_control: Events) -> float:
    controls, own = np.sort(risk[is_control]), cases > 0
    if not own.any() or not len(controls):
        return float("nan")
    below = (np.searchsorted(controls, risk[own], "left") + np.searchsorted(controls, risk[own], "right")) / 2
    return float(np.average(below / len(controls), weights=cases[own]))
