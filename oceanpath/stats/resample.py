"""Patient-clustered bootstrap: patients are drawn with replacement, each with all of its slides.

A resample is a row of counts. Measures use the counts of all resamples as weights, so scores are sorted once.
Davison and Hinkley (1997), section 3.8: resampling clusters whole keeps the dependence between slides of one patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats, Measure, SumMeasure, Weights
from oceanpath.stats.estimate import NO_INTERVAL, UNDEFINED, ClosedInterval, ClosedMetric, Ends, Estimate

BLOCK_CELLS = 1 << 18
"""Cells of weights in memory at once; small enough for the cache. It never changes a result."""
DRAW_CELLS = 1 << 16
"""Cells of random numbers drawn at once; another number gives other resamples."""
FEW = 64
"""Patients of a class that are looked at before all of them."""
ROUNDS = 200
"""How often incomplete resamples are drawn again before the number of rows is considered too small."""
PERCENTILE = "percentile bootstrap, patients"
ROUNDING = 1e-12
"""A weighted sum of equal numbers differs from the number by less than this."""


@dataclass(frozen=True)
class Resamples:
    """How often each patient was drawn in each resample."""

    counts: NDArray[np.uint16]
    """[R, p]; R is 0 where no resample could be drawn."""
    numbers: NDArray[np.int64]
    """[n] patient column of each row."""
    redrawn: int
    reason: str = ""
    """Why there are no resamples."""

    def blocks(self) -> Iterator[Weights]:
        """Weights [b, n] of the rows, int32, in blocks of resamples."""
        step = max(1, BLOCK_CELLS // max(1, len(self.numbers)))
        for start in range(0, len(self.counts), step):
            yield self.counts[start : start + step].astype(np.int32).take(self.numbers, axis=1)

    def sums(self, columns: Floats) -> Floats:
        """Weighted sums [R, m] over the rows of columns [n, m]; columns are summed per patient first."""
        n_patients, found = self.counts.shape[1], np.empty((len(self.counts), columns.shape[1]))
        of_patients = np.stack([np.bincount(self.numbers, one, minlength=n_patients) for one in columns.T], axis=1)
        step = max(1, BLOCK_CELLS // n_patients)
        for start in range(0, len(self.counts), step):
            found[start : start + step] = self.counts[start : start + step].astype(np.float64) @ of_patients
        return found


class LazySamples(Mapping[str, Floats]):
    """Metric → values [R] on every resample, computed when they are first used."""

    def __init__(self, names: Iterable[str], compute: Callable[[str], Floats]) -> None:
        self._names, self._compute = tuple(names), cache(compute)

    def __getitem__(self, name: str) -> Floats:
        """The values of a metric."""
        if name not in self._names:
            raise KeyError(name)
        return self._compute(name)

    def __iter__(self) -> Iterator[str]:
        """The metrics that can be resampled."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of these metrics."""
        return len(self._names)


@dataclass(frozen=True)
class Bootstrap:
    """Measures on the rows themselves and on every resample."""

    values: Mapping[str, float | None]
    samples: Mapping[str, Floats]
    """Metric → values [R]."""
    n: int
    resamples: Resamples
    closed: Mapping[str, ClosedInterval] = field(default_factory=dict)
    """Metric → its interval in closed form, which then replaces the percentile interval."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    """Metric → why it has no value, where `UNDEFINED` does not state it."""
    influences: Mapping[str, Influence] = field(default_factory=dict)
    """Metric → the influence of every row on it; a difference of two such metrics needs no resampling."""

    def estimate(self, name: str, confidence: float = 0.95) -> Estimate:
        """The metric with its interval, or with the reason why it has none."""
        n_patients, value = self.resamples.counts.shape[1], self.values[name]
        if value is None:
            reason = self.undefined.get(name) or UNDEFINED.get(name, "no rows")
            return Estimate(None, n=self.n, n_patients=n_patients, reason=reason)
        if (closed := self.closed.get(name)) is not None:
            interval, facts, method = closed.ends(confidence), (self.n, n_patients, 0, 0), closed.method
        else:
            reason, drawn = NO_INTERVAL.get(name) or self.resamples.reason, self.resamples
            interval = reason or percentile_interval(value, self.samples[name], confidence)
            facts, method = (self.n, n_patients, len(drawn.counts), drawn.redrawn), PERCENTILE
        if isinstance(interval, str):
            return Estimate(value, None, None, *facts, reason=interval)
        return Estimate(value, *interval, *facts, method=method)

    def extended(self, metrics: Mapping[str, ClosedMetric]) -> Bootstrap:
        """With metrics that are not resampled."""
        return replace(
            self,
            values={**self.values, **{name: one.value for name, one in metrics.items()}},
            closed={**self.closed, **{name: one.interval for name, one in metrics.items()}},
            undefined={**self.undefined, **{name: one.reason for name, one in metrics.items()}},
        )

    def estimates(self, confidence: float = 0.95) -> dict[str, Estimate]:
        """Every metric's `estimate`."""
        return {name: self.estimate(name, confidence) for name in self.values}


def percentile_interval(value: float, samples: Floats, confidence: float) -> Ends:
    """Percentile interval (Efron and Tibshirani 1993, section 13.3), or why there is none.

    An interval that does not include the number itself is rejected: resampling then shifts the metric by more than
    its spread.
    """
    if lost := int(np.isnan(samples).sum()):
        return f"undefined in {lost} resamples"
    low, high = (float(end) for end in np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2]))
    if not low - ROUNDING <= value <= high + ROUNDING:
        return "resampling shifts the metric to one side of its value"
    return min(low, value), max(high, value)


def draw_patients(
    patients: Sequence[str],
    labels: NDArray[np.int64],
    *,
    resamples: int = 2000,
    seed: int = 42,
    by_class: bool = False,
) -> Resamples:
    """Resamples of the patients. A resample without one of the labels is drawn again, and counted.

    Args:
        patients: [n] patient of each row; the order of rows does not matter.
        labels: [n] class numbers.
        resamples: R.
        seed: of the only generator in use.
        by_class: Draw the patients of each label among themselves, so that their number never varies; patients with
            several labels are one more group.

    Raises:
        StageError: no rows, or patients and labels of different length.
    """
    if len(patients) != len(labels) or len(labels) == 0:
        raise StageError("not one patient per row, or no rows", expected=len(labels), got=len(patients))
    names, numbers = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    present, classes = np.unique(labels, return_inverse=True)
    rows_of = np.zeros((len(names), len(present)))
    np.add.at(rows_of, (numbers, classes), 1.0)
    numbers = numbers.astype(np.int64)
    if len(names) < 2:
        return Resamples(np.empty((0, len(names)), np.uint16), numbers, 0, "one patient only")
    rng = np.random.default_rng(seed)
    if by_class:
        return Resamples(_draw_by_group(rng, resamples, rows_of > 0), numbers, 0)
    counts = _draw(rng, resamples, len(names))
    redrawn = 0
    for _ in range(ROUNDS):
        lacking = _lacking(counts, rows_of > 0)
        if not lacking.size:
            return Resamples(counts, numbers, redrawn)
        counts[lacking] = _draw(rng, lacking.size, len(names))
        redrawn += lacking.size
    reason = "too few patients of a class: most resamples lack it"
    return Resamples(np.empty((0, len(names)), np.uint16), numbers, redrawn, reason)


def jackknife(measures: Sequence[Measure], resamples: Resamples) -> dict[str, Floats]:
    """Every metric without each of the patients, [p]."""
    n_patients = resamples.counts.shape[1]
    without = Resamples((1 - np.eye(n_patients)).astype(np.uint16), resamples.numbers, 0)
    return dict(bootstrap(measures, without).samples)


def bootstrap(
    measures: Sequence[Measure], resamples: Resamples, closed: Mapping[str, ClosedInterval] | None = None
) -> Bootstrap:
    """All metrics of all measures, on the rows and on every resample; `closed` as in `Bootstrap`."""
    once = np.ones((1, len(resamples.numbers)))
    found = {name: (float(x[0]), k) for k, measure in enumerate(measures) for name, x in measure(once).items()}
    values = {name: None if np.isnan(value) else value for name, (value, _) in found.items()}
    sampled = cache(lambda measure: _sampled(measures[measure], resamples))
    samples = LazySamples(values, lambda name: sampled(found[name][1])[name])
    return Bootstrap(values, samples, len(resamples.numbers), resamples, closed or {})


def _sampled(measure: Measure, resamples: Resamples) -> dict[str, Floats]:
    """The metrics of one measure on every resample."""
    if isinstance(measure, SumMeasure):
        return dict(measure.finish(resamples.sums(measure.columns)))
    blocks = [measure(weights) for weights in resamples.blocks()]
    names = blocks[0] if blocks else measure(np.ones((1, len(resamples.numbers))))
    return {name: np.concatenate([block[name] for block in blocks]) if blocks else np.empty(0) for name in names}


def _lacking(counts: NDArray[np.uint16], has: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Resamples without a patient of one of the classes; has [p, C]."""
    lacks = np.zeros(len(counts), bool)
    for own in has.T:
        patients = np.flatnonzero(own)
        unseen = np.flatnonzero(~counts[:, patients[:FEW]].any(axis=1))
        lacks[unseen] |= ~counts[np.ix_(unseen, patients)].any(axis=1)
    return np.flatnonzero(lacks)


def _draw_by_group(rng: np.random.Generator, resamples: int, has: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Counts [R, p] of draws within groups of patients that have the same labels, [p, C]."""
    _, group = np.unique(has, axis=0, return_inverse=True)
    counts = np.empty((resamples, len(has)), np.uint16)
    for number in range(int(group.max()) + 1):
        own = np.flatnonzero(group == number)
        counts[:, own] = _draw(rng, resamples, len(own))
    return counts


def _draw(rng: np.random.Generator, resamples: int, n_patients: int) -> NDArray[np.uint16]:
    """Counts [R, p]: how often each of p patients is among p draws with replacement."""
    counts = np.empty((resamples, n_patients), np.uint16)
    kind = np.uint16 if n_patients <= np.iinfo(np.uint16).max else np.uint32
    step = max(1, DRAW_CELLS // n_patients)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = rng.integers(0, n_patients, (rows, n_patients), dtype=kind) + np.arange(rows)[:, None] * n_patients
        counts[start : start + rows] = np.bincount(drawn.ravel(), minlength=rows * n_patients).reshape(rows, -1)
    return counts
