"""One number of a report: its value, its interval, what it is made of, or why it does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNDEFINED = {
    "auroc": "the rows hold one class only",
    "auprc": "the rows hold one class only",
    "mcc": "the rows hold one class only",
    "kappa": "the rows hold one class only",
    "sensitivity": "no row of the positive class",
    "specificity": "no row of the negative class",
    "auroc_within_folds": "no fold holds both classes",
}
"""Metric → why it does not exist when it does not."""
NO_INTERVAL = {
    "ece": "chance alone raises an ECE and resampling raises it further, so its percentile interval would be too high",
}
"""Metric → why it has no interval, however many rows there are."""


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. `value` is None with a `reason` where it is undefined."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Rows it is made of."""
    n_patients: int = 0
    resamples: int = 0
    redrawn: int = 0
    """Resamples that lacked a class and were drawn again."""
    reason: str = ""
    """Why the value, or else its interval, does not exist."""

    def record(self) -> dict[str, Any]:
        """JSON values: value, low, high, n, n_patients, resamples, redrawn; or value null and a reason."""
        if self.value is None:
            return {"value": None, "reason": self.reason, "n": self.n, "n_patients": self.n_patients}
        fields = ("value", "low", "high", "n", "n_patients", "resamples", "redrawn")
        found = {name: getattr(self, name) for name in fields}
        return found | ({"reason": self.reason} if self.reason else {})
