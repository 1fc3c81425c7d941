"""Paired patient-clustered bootstrap: the difference of two metrics on the same resamples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.estimate import UNDEFINED
from oceanpath.stats.resample import Bootstrap, percentile_interval

VERDICTS = ("better", "worse", "not_shown_better", "undetermined")


@dataclass(frozen=True)
class PairedDifference:
    """A metric of one model minus that of another on the same rows; None with a reason where undefined."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, (1 + k) / (1 + R), never 0 (Davison and Hinkley 1997, eq. 4.11)."""
    n: int
    n_patients: int
    resamples: int
    redrawn: int
    reason: str = ""

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`, from the interval alone: an interval that includes 0 shows no difference."""
        if self.low is None or self.high is None:
            return "undetermined"
        if self.high < 0:
            return "worse"
        return "better" if self.low > 0 else "not_shown_better"

    def record(self) -> dict[str, Any]:
        """JSON values, with the verdict; the reason where there is one."""
        fields = {name: value for name, value in asdict(self).items() if name != "reason" or value}
        return fields | {"verdict": self.verdict}


def paired_difference(
    first: Bootstrap, second: Bootstrap, metrics: tuple[str, str] = ("auroc", "auroc"), confidence: float = 0.95
) -> PairedDifference:
    """The difference, its percentile interval, and its p-value.

    p counts the resamples whose difference is at least as far from the observed one as that is from zero (Efron and
    Tibshirani 1993, section 16.4: the resampled differences, shifted to the null).

    Args:
        first: Metrics of one model.
        second: Metrics of the other, or of the same one, on the same rows and the same resamples.
        metrics: The metric of the first and of the second.
        confidence: Confidence level of the interval.

    Raises:
        StageError: the metrics were not computed on the same resamples.
    """
    drawn = first.resamples
    if drawn is not second.resamples:
        raise StageError("a paired difference needs both metrics on the same resamples")
    facts = (first.n, drawn.counts.shape[1], len(drawn.counts), drawn.redrawn)
    one, two = first.values[metrics[0]], second.values[metrics[1]]
    if one is None or two is None:
        missing = metrics[0] if one is None else metrics[1]
        return PairedDifference(None, None, None, None, *facts, reason=UNDEFINED.get(missing, "no rows"))
    value = one - two
    moved = first.samples[metrics[0]] - second.samples[metrics[1]]
    interval = drawn.reason or percentile_interval(value, moved, confidence)
    if isinstance(interval, str):
        return PairedDifference(value, None, None, None, *facts, reason=interval)
    as_far = int(np.sum(np.abs(moved - value) >= abs(value) - 1e-12))
    return PairedDifference(value, *interval, (1 + as_far) / (1 + len(moved)), *facts)
