"""Logistic recalibration (Cox 1958): logit P(outcome) = a + b · logit(p). Calibrated probabilities have a = 0, b = 1.

b < 1: probabilities are too extreme; b > 1: too timid; a ≠ 0 at b = 1: too high or too low throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats

CLIP = 1e-6
"""Probabilities nearer to 0 or 1 than this are taken for this near: their logit may be infinite."""
ROUNDS = 100
CONVERGED = 1e-10


@dataclass(frozen=True)
class Recalibration:
    """The two numbers of the fit."""

    intercept: float
    slope: float
    errors: tuple[float, float] = (0.0, 0.0)
    """Standard errors of both, with patients as clusters where they are given."""

    def apply(self, probabilities: Floats) -> Floats:
        """Recalibrated probabilities of any shape."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * _logit(probabilities))))


def recalibrate(outcome: Floats, score: Floats, patients: NDArray[np.int64] | None = None) -> Recalibration | str:
    """The fit of maximum likelihood, or why there is none.

    Args:
        outcome: [n], 0 or 1.
        score: [n] probability of the outcome.
        patients: [n] number of the patient of each row, from 0; without them every row is independent.
    """
    x, hit = _logit(score), outcome > 0.5
    y = hit.astype(np.float64)
    if hit.all() or not hit.any():
        return "all outcomes are the same"
    if x[hit].min() >= x[~hit].max() or x[hit].max() <= x[~hit].min():
        return "the probabilities separate the outcomes, so the slope has no bound"
    design = np.stack([np.ones_like(x), x], axis=1)
    found = np.zeros(2)
    for _ in range(ROUNDS):
        step = _newton_step(design, y, found)
        while _loss(design, y, found + step) > _loss(design, y, found) and np.abs(step).max() > CONVERGED:
            step = step / 2
        found = found + step
        if np.abs(step).max() <= CONVERGED:
            break
    own = np.arange(len(y)) if patients is None else patients
    return Recalibration(float(found[0]), float(found[1]), _sandwich(design, y, found, own))


def _sandwich(design: Floats, y: Floats, at: Floats, patients: NDArray[np.int64]) -> tuple[float, float]:
    """Standard errors from the scores of whole patients (Liang and Zeger 1986), with the factor k / (k - 1)."""
    p = 1 / (1 + np.exp(-design @ at))
    bread = np.linalg.inv((design * (p * (1 - p))[:, None]).T @ design)
    scores = np.stack([np.bincount(patients, column * (y - p)) for column in design.T])
    k = int((np.bincount(patients) > 0).sum())
    covariance = bread @ (scores @ scores.T) @ bread * (k / max(1, k - 1))
    intercept, slope = np.sqrt(np.diag(covariance)).tolist()
    return intercept, slope


def _newton_step(design: Floats, y: Floats, at: Floats) -> Floats:
    p = 1 / (1 + np.exp(-design @ at))
    curvature = (design * (p * (1 - p))[:, None]).T @ design
    return np.asarray(np.linalg.solve(curvature, design.T @ (y - p)), np.float64)


def _loss(design: Floats, y: Floats, at: Floats) -> float:
    z = design @ at
    return float(np.sum(np.logaddexp(0, z) - y * z))


def _logit(probabilities: Floats) -> Floats:
    p = np.clip(probabilities, CLIP, 1 - CLIP)
    return np.asarray(np.log(p / (1 - p)))
