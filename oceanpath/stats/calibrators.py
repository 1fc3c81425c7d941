"""Methods that calibrate the probability of an outcome: fitted to some rows, applied to others.

temperature: logit(p) / T (Guo et al. 2017). platt: a + b · logit(p) (Platt 1999), the logistic recalibration of Cox.
isotonic: the best monotone function (Zadrozny and Elkan 2002), linear between its steps. beta: the logit of the result
is c + a · ln p - b · ln(1 - p) with a, b >= 0 (Kull et al. 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize, minimize_scalar
from scipy.special import expit, logit

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.recalibration import CLIP, recalibrate

Calibrator = Callable[[Floats], Floats]
"""Probabilities [m] → calibrated probabilities [m]."""
LARGEST_LOG_TEMPERATURE = 5.0
FEWEST = 2
"""Rows of each outcome that a fit needs."""


def fit_calibrators(is_outcome: NDArray[np.bool_], p: Floats) -> dict[str, Calibrator | str]:
    """Method → the fitted function, or why there is none.

    Args:
        is_outcome: [n] bool.
        p: [n] probability of the outcome.
    """
    if min(is_outcome.sum(), (~is_outcome).sum()) < FEWEST:
        reason = f"fewer than {FEWEST} rows of an outcome"
        return dict.fromkeys(METHODS, reason)
    y = is_outcome.astype(np.float64)
    return {name: fit(y, _clipped(p)) for name, fit in METHODS.items()}


def _temperature(y: Floats, p: Floats) -> Calibrator:
    z = logit(p)
    bounds = (-LARGEST_LOG_TEMPERATURE, LARGEST_LOG_TEMPERATURE)
    found = minimize_scalar(lambda t: _loss(y, z / np.exp(t)), bounds=bounds, method="bounded")
    temperature = float(np.exp(found.x))
    return lambda new: np.asarray(expit(logit(_clipped(new)) / temperature))


def _platt(y: Floats, p: Floats) -> Calibrator | str:
    found = recalibrate(y, p)
    return found if isinstance(found, str) else found.apply


def _isotonic(y: Floats, p: Floats) -> Calibrator:
    scores, groups = np.unique(p, return_inverse=True)
    counts = np.bincount(groups)
    steps = isotonic_regression(np.bincount(groups, y) / counts, weights=counts).x
    return lambda new: np.asarray(np.interp(_clipped(new), scores, steps))


def _beta(y: Floats, p: Floats) -> Calibrator | str:
    def shape(q: Floats) -> Floats:
        return np.stack([np.log(q), -np.log1p(-q)], axis=-1)

    x = shape(p)

    def loss(at: Floats) -> tuple[float, Floats]:
        z = x @ at[:2] + at[2]
        slope = expit(z) - y
        return _loss(y, z), np.append(x.T @ slope, slope.sum())

    start = np.array([1.0, 1.0, 0.0])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, 50), (0, 50), (-50, 50)])
    if not np.isfinite(found.x).all():
        return "the fit did not converge"
    a, b, c = found.x
    return lambda new: np.asarray(expit(shape(_clipped(new)) @ np.array([a, b]) + c))


METHODS: dict[str, Callable[[Floats, Floats], Calibrator | str]] = {
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
    "beta": _beta,
}
"""Method → its fit."""


def _loss(y: Floats, z: Floats) -> float:
    return float(np.sum(np.logaddexp(0, z) - y * z))


def _clipped(p: Floats) -> Floats:
    return np.clip(p, CLIP, 1 - CLIP)
