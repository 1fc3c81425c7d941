"""The result of a test of a difference, and its p-value from a standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

SMALLEST_P = float(np.finfo(np.float64).tiny)
"""A p-value is never 0: a smaller one is reported as this."""


@dataclass(frozen=True)
class Comparison:
    """A difference with its interval and two-sided p-value; both None with a reason where there are none."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    error: float
    """Standard error of the difference."""
    freedom: float = np.inf
    """Degrees of freedom of Student's t; infinite for the normal distribution."""
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """JSON values; the degrees of freedom only if they are finite, the reason only where there is one."""
        fields = {"value": self.value, "low": self.low, "high": self.high, "p": self.p, "standard_error": self.error}
        freedom = {} if np.isinf(self.freedom) else {"degrees_of_freedom": self.freedom}
        return fields | freedom | ({"reason": self.reason} if self.reason else {})


def compare(value: float, error: float, freedom: float = np.inf, confidence: float = 0.95) -> Comparison:
    """Student's t or, with infinite `freedom`, the normal distribution."""
    if error <= 1e-15:
        if abs(value) <= 1e-15:
            return Comparison(value, None, None, 1.0, 0.0, freedom, "there is no difference in any row")
        return Comparison(value, None, None, None, 0.0, freedom, "the difference has no variance")
    half = quantile((1 + confidence) / 2, freedom) * error
    p = max(SMALLEST_P, 2 * float(stdtr(min(freedom, 1e9), -abs(value) / error)))
    return Comparison(value, value - half, value + half, min(1.0, p), error, freedom)


def quantile(level: float, freedom: float = np.inf) -> float:
    """Quantile of Student's t, or of the normal distribution."""
    return float(ndtri(level) if np.isinf(freedom) else stdtrit(freedom, level))
