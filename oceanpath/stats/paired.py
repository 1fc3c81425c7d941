"""The difference of two metrics on the same rows, with patients as clusters.

If the influence of every row on both metrics is known, the variance is that of the differences of the influences, and
the interval and p-value are Student's t: for AUROCs this is the paired test of DeLong (1988) with the clustered
variance of Obuchowski (1997). Otherwise it is the paired bootstrap over patients.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.clustered import clustered_variance
from oceanpath.stats.comparison import Comparison, compare
from oceanpath.stats.estimate import UNDEFINED
from oceanpath.stats.intervals.logit_delong import MIN_PATIENTS
from oceanpath.stats.resample import PERCENTILE, Bootstrap, percentile_interval

STUDENT = "Student's t, patients clustered"
VERDICTS = ("better", "worse", "not_shown_better", "undetermined")


@dataclass(frozen=True)
class PairedDifference:
    """A metric of one model minus that of another on the same rows; None with a reason where undefined."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    """Two-sided; never 0. By resampling (1 + k) / (1 + R) (Davison and Hinkley 1997, eq. 4.11)."""
    n: int
    n_patients: int
    resamples: int
    redrawn: int
    reason: str = ""
    method: str = ""
    """Name of the method of interval and p-value."""

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`, from the interval alone: an interval that includes 0 shows no difference."""
        if self.low is None or self.high is None:
            return "undetermined"
        if self.high < 0:
            return "worse"
        return "better" if self.low > 0 else "not_shown_better"

    def record(self) -> dict[str, Any]:
        """JSON values, with the verdict; reason and method where there are any."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("reason", "method") or value}
        return fields | {"verdict": self.verdict}


def paired_difference(
    first: Bootstrap, second: Bootstrap, metrics: tuple[str, str] = ("auroc", "auroc"), confidence: float = 0.95
) -> PairedDifference:
    """The difference, its interval, and its p-value: by influences if both metrics have them, otherwise by resampling.

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
    if metrics[0] not in first.influences or metrics[1] not in second.influences:
        return resampled_difference(first, second, metrics, confidence)
    found = influence_comparison(first, second, metrics, confidence)
    if isinstance(found, str):
        value = first.influences[metrics[0]].value - second.influences[metrics[1]].value
        return PairedDifference(value, None, None, None, first.n, drawn.counts.shape[1], 0, 0, found)
    return _by_influence(found, first)


def influence_comparison(
    first: Bootstrap, second: Bootstrap, metrics: tuple[str, str], confidence: float = 0.95
) -> Comparison | str:
    """The difference from the influences of every row on both metrics, or why there is none."""
    if metrics[0] not in first.influences or metrics[1] not in second.influences:
        return "the influence of single rows on the metric is not known"
    difference = first.influences[metrics[0]].minus(second.influences[metrics[1]])
    variance = clustered_variance(difference, first.resamples.numbers)
    if variance.fewest_patients < MIN_PATIENTS:
        return f"fewer than {MIN_PATIENTS} patients of a class: no interval has its stated coverage"
    return compare(difference.value, float(np.sqrt(variance.total)), variance.degrees_of_freedom(), confidence)


def _by_influence(found: Comparison, first: Bootstrap) -> PairedDifference:
    facts = (first.n, first.resamples.counts.shape[1], 0, 0)
    if found.p == 1 and found.low is None:  # the models agree in every row
        return PairedDifference(found.value, 0.0, 0.0, 1.0, *facts, method=STUDENT)
    return PairedDifference(found.value, found.low, found.high, found.p, *facts, found.reason, STUDENT)


def resampled_difference(
    first: Bootstrap, second: Bootstrap, metrics: tuple[str, str], confidence: float = 0.95
) -> PairedDifference:
    """The difference with the percentiles of the resampled differences.

    p counts the resamples whose difference is at least as far from the observed one as that is from zero (Efron and
    Tibshirani 1993, section 16.4: the resampled differences, shifted to the null).
    """
    drawn, one, two = first.resamples, first.values[metrics[0]], second.values[metrics[1]]
    facts = (first.n, drawn.counts.shape[1], len(drawn.counts), drawn.redrawn)
    if one is None or two is None:
        reason = UNDEFINED.get(metrics[0] if one is None else metrics[1], "no rows")
        return PairedDifference(None, None, None, None, *facts, reason=reason)
    value = one - two
    moved = first.samples[metrics[0]] - second.samples[metrics[1]]
    interval = drawn.reason or percentile_interval(value, moved, confidence)
    if isinstance(interval, str):
        return PairedDifference(value, None, None, None, *facts, reason=interval)
    as_far = int(np.sum(np.abs(moved - value) >= abs(value) - 1e-12))
    return PairedDifference(value, *interval, (1 + as_far) / (1 + len(moved)), *facts, method=PERCENTILE)
