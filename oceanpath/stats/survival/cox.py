"""Cox's proportional hazards model: the baseline hazard for given risks, and a ridge regression.

Breslow (1974): at each time with events the cumulative hazard increases by the number of events divided by the sum of
exp(risk) over the rows at risk. Tied events are handled in the same way in the likelihood of the ridge regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.survival.kaplan_meier import Events, check_times


@dataclass(frozen=True)
class BaselineHazard:
    """Logarithm of the cumulative hazard of a row with risk 0: a step function."""

    times: Floats
    """[k] distinct times of events, rising."""
    log_hazard: Floats
    """[k]."""

    def at(self, times: Floats) -> Floats:
        """Values at `times`; minus infinity before the first event."""
        return np.asarray(np.r_[-np.inf, self.log_hazard][np.searchsorted(self.times, times, side="right")])

    def survival(self, risk: Floats, times: Floats) -> Floats:
        """Survival [n, k] of rows with risks [n] at `times` [k]."""
        return np.exp(-np.exp(np.minimum(risk[:, None] + self.at(times), 700.0)))


def baseline_hazard(risk: Floats, time: Floats, event: Events) -> BaselineHazard:
    """Breslow's estimate from rows with risks, times and at least one event, each [n]."""
    check_times(time, event)
    order = np.argsort(time, kind="stable")
    shift = float(risk.max())
    at_risk = np.cumsum(np.exp(risk[order] - shift)[::-1])[::-1]
    times, counts = np.unique(time[event], return_counts=True)
    steps = counts / at_risk[np.searchsorted(time[order], times)]
    return BaselineHazard(times, np.log(np.cumsum(steps)) - shift)


def fit_ridge(x: Floats, time: Floats, event: Events, penalty: float) -> Floats:
    """Coefficients [D] that maximise the log partial likelihood of x [n, D] minus penalty / 2 · |coefficients|²."""
    check_times(time, event)
    order = np.argsort(time, kind="stable")
    x, time, event = x[order], time[order], event[order]
    first = np.searchsorted(time, time)
    last = np.searchsorted(time, time, side="right") - 1

    def objective(coefficients: Floats) -> tuple[float, Floats]:
        eta = x @ coefficients
        weights = np.exp(eta - eta.max())
        at_risk = np.cumsum(weights[::-1])[::-1][first]
        loss = float((np.log(at_risk[event]) + eta.max() - eta[event]).sum())
        passed = np.cumsum(np.where(event, 1 / at_risk, 0.0))[last]
        gradient = x.T @ (weights * passed - event)
        return loss + penalty / 2 * float(coefficients @ coefficients), gradient + penalty * coefficients

    found = minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(found.x, np.float64)
