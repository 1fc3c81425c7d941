"""Logistic regression with a penalty, by Newton's method, for several weightings of the same rows at once.

    minimise  ½ ‖w‖² + C Σ_i m_i log(1 + exp(-s_i (x_i w + b)))        s_i = ±1

The folds of a cross-validation are weightings with zeros, so that they share the rows and start from each other's
solutions. Several classes are fitted one against the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Values of C, of which inner folds select one."""
DEFAULT = 0.1
"""C where a class has fewer than two labelled patients."""
STEPS = 30
TOLERANCE = 1e-6


def probabilities(x: Floats, y: NDArray[np.int64], folds: NDArray[np.int64] | None, to: Floats) -> Floats:
    """Class probabilities [t, K] of rows `to` [t, D] from rows x [n, D] with classes y [n] of 0 … K - 1.

    C has the lowest cross-entropy over the inner `folds` [n]; without folds it is `DEFAULT`.
    """
    axes = np.linalg.svd(x, full_matrices=False)[2].T  # the solution is in the span of the rows
    rows, own = _with_constant(x @ axes), _with_constant(to @ axes)
    classes = [1] if y.max() == 1 else range(int(y.max()) + 1)
    scores = np.stack([expit(own @ _fit_selected(rows, y == k, folds)) for k in classes], axis=1)
    if scores.shape[1] == 1:
        return np.concatenate([1.0 - scores, scores], axis=1)
    total: Floats = scores / scores.sum(axis=1, keepdims=True)
    return total


def fit(x: Floats, is_positive: NDArray[np.bool_], weights: Floats, strength: float, start: Floats) -> Floats:
    """Coefficients [M, r] for each of the weightings [M, n] of rows x [n, r], whose last column is constant."""
    penalty = np.ones(x.shape[1])
    solution: Floats = start.copy()
    penalty[-1] = 1e-9
    for _ in range(STEPS):
        p = expit(solution @ x.T)
        gradient = penalty * solution + strength * (weights * (p - is_positive)) @ x
        curvature = strength * weights * p * (1.0 - p)
        hessian = (x.T * curvature[:, None, :]) @ x + np.diag(penalty)
        step: Floats = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        solution -= step
        if np.abs(step).max() < TOLERANCE * max(1.0, np.abs(solution).max()):
            break
    return solution


def _fit_selected(x: Floats, is_positive: NDArray[np.bool_], folds: NDArray[np.int64] | None) -> Floats:
    """Coefficients [r] with the strength that the folds select."""
    numbers = np.arange(0 if folds is None else folds.max() + 1)
    held = numbers[:, None] == (np.zeros(len(x)) if folds is None else folds)
    weights = np.concatenate([np.ones((1, len(x))), ~held])
    best, solution, lowest = np.zeros(x.shape[1]), np.zeros((len(weights), x.shape[1])), np.inf
    for strength in STRENGTHS if len(held) else (DEFAULT,):
        solution = fit(x, is_positive, weights, strength, solution)
        margins = np.where(is_positive, 1.0, -1.0) * (solution[1:] @ x.T)
        loss = float(np.logaddexp(0.0, -margins)[held].sum())
        if loss < lowest:
            best, lowest = solution[0], loss
    return best


def _with_constant(x: Floats) -> Floats:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
