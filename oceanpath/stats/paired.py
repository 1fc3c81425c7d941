"""The difference of two metrics on the same rows, with patients as clusters.

If the influence of every row on both metrics is known, the p-value is that of Student's t with the variance of the
differences of the influences: for AUROCs this is the paired test of DeLong (1988) with the clustered variance of
Obuchowski (1997). The interval combines those of both metrics (`mover`): unlike that of Student's t it holds near an
AUROC of 1 (docs/statistics.md). Otherwise both come from the paired bootstrap over patients.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.clustered import ROUNDING, Influence, clustered_variance
from oceanpath.stats.comparison import Comparison, compare
from oceanpath.stats.estimate import UNDEFINED
from oceanpath.stats.intervals.defaults import influence_interval
from oceanpath.stats.intervals.logit_delong import MIN_PATIENTS, PSEUDO
from oceanpath.stats.resample import PERCENTILE, Bootstrap, percentile_interval

Interval = tuple[float, float]
STUDENT = "Student's t, patients clustered"
MOVER = "MOVER from both intervals, patients clustered"
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
    one, two = first.values[metrics[0]], second.values[metrics[1]]
    is_known = metrics[0] in first.influences and metrics[1] in second.influences
    if not is_known or one is None or two is None:
        return resampled_difference(first, second, metrics, confidence)
    found = influence_comparison(first, second, metrics, confidence)
    value, facts = one - two, (first.n, drawn.counts.shape[1], 0, 0)
    if isinstance(found, str):
        return PairedDifference(value, None, None, None, *facts, found)
    if found.p == 1 and found.low is None:  # the models agree in every row
        return PairedDifference(value, 0.0, 0.0, 1.0, *facts, method=STUDENT)
    both = (first.influences[metrics[0]], second.influences[metrics[1]])
    own, other = (
        influence_interval(name, one, drawn.numbers).ends(confidence) for name, one in zip(metrics, both, strict=True)
    )
    if found.p is None or isinstance(own, str) or isinstance(other, str):
        return PairedDifference(value, found.low, found.high, found.p, *facts, found.reason, STUDENT)
    ends = mover(both, (own, other), found.error, drawn.numbers)
    return PairedDifference(value, *ends, found.p, *facts, found.reason, MOVER)


def mover(
    both: tuple[Influence, Influence], singles: tuple[Interval, Interval], error: float, patients: NDArray[np.int64]
) -> tuple[float, float]:
    """Interval of a difference from the intervals of both metrics and their correlation (Zou and Donner 2008).

    Args:
        both: Influences on both metrics.
        singles: Interval of each.
        error: Standard error of the difference.
        patients: [n] number of the patient of each row.
    """
    variances = [clustered_variance(one, patients).total for one in both]
    product = float(np.sqrt(variances[0] * variances[1]))
    rho = min(1.0, max(-1.0, (sum(variances) - error**2) / (2 * product))) if product > 0 else 0.0
    (a, b), ((low_a, high_a), (low_b, high_b)) = [one.value for one in both], singles

    def reach(x: float, y: float) -> float:
        return float(np.sqrt(max(0.0, x * x + y * y - 2 * rho * x * y)))

    return a - b - reach(a - low_a, high_b - b), a - b + reach(high_a - a, b - low_b)


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
    total, freedom = variance.total, variance.degrees_of_freedom()
    if total <= ROUNDING:  # as in logit_delong, a small number of further patients whom both models place in the middle
        parts = [PSEUDO * difference.value**2 * one.step**2 for one in variance.strata]
        total, freedom = sum(parts), variance.degrees_of_freedom(parts)
    return compare(difference.value, float(np.sqrt(total)), freedom, confidence)


def resampled_difference(
    first: Bootstrap, second: Bootstrap, metrics: tuple[str, str] = ("auroc", "auroc"), confidence: float = 0.95
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
