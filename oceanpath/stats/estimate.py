"""One number of a report: its value, its interval, what it is made of, or why it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Ends = tuple[float, float] | str
"""The two ends of an interval, or why there is none."""

UNDEFINED = {
    "auroc": "the rows hold one class only",
    "auprc": "the rows hold one class only",
    "mcc": "the rows hold one class only",
    "kappa": "the rows hold one class only",
    "sensitivity": "no row of the positive class",
    "specificity": "no row of the negative class",
    "kappa_quadratic": "the rows hold one class only",
    "brier_scaled": "the rows hold one class only",
    "ppv": "no row is decided as positive",
    "npv": "no row is decided as negative",
    "auroc_within_folds": "no fold holds both classes",
}
"""Metric → why it does not exist when it does not."""
RAISED = "chance alone raises an ECE and resampling raises it further, so its percentile interval would be too high"
NO_INTERVAL = dict.fromkeys(("ece", "ece_equal_mass", "ece_debiased", "ici"), RAISED)
"""Metric → why it has no interval, however many rows there are."""


class ClosedInterval(NamedTuple):
    """An interval that needs no resampling."""

    method: str
    """Name of the method, for readers."""
    ends: Callable[[float], Ends]
    """Confidence level → ends."""


class ClosedMetric(NamedTuple):
    """A metric that is not resampled; without a value there is a reason."""

    value: float | None
    interval: ClosedInterval
    reason: str = ""


def without_interval(reason: str) -> ClosedInterval:
    """No interval at any confidence level."""
    return ClosedInterval("", lambda _: reason)


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
    method: str = ""
    """Name of the interval's method."""

    def record(self) -> dict[str, Any]:
        """JSON values: value, low, high, n, n_patients, resamples, redrawn, method; or value null and a reason."""
        if self.value is None:
            return {"value": None, "reason": self.reason, "n": self.n, "n_patients": self.n_patients}
        fields = ("value", "low", "high", "n", "n_patients", "resamples", "redrawn")
        found = {name: getattr(self, name) for name in fields}
        texts = {"method": self.method, "reason": self.reason}
        return found | {name: text for name, text in texts.items() if text}
