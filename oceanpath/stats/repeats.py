"""Metrics of repeated cross-validation: the mean over the repeats, on the same resamples of patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import without_interval
from oceanpath.stats.intervals.defaults import influence_interval
from oceanpath.stats.resample import Bootstrap, LazySamples, Resamples

CLOSED_ONLY = "no interval is defined for the mean over repeats"


def evaluate_by_repeat(
    repeats: NDArray[np.int64],
    drawn: Resamples,
    n: int,
    evaluate: Callable[[NDArray[np.intp], Resamples], Bootstrap],
) -> Bootstrap:
    """The metrics of rows of one repeat, or the means over several.

    Args:
        repeats: [n] repeat of each row.
        drawn: Resamples of the patients of all rows.
        n: Number of different slides, or patients.
        evaluate: Metrics of the rows with these numbers, on these resamples.
    """
    numbers = np.unique(repeats)
    if len(numbers) == 1:
        return evaluate(np.arange(len(repeats)), drawn)
    rows = [np.flatnonzero(repeats == number) for number in numbers]
    return mean_over_repeats([evaluate(own, resamples_of_rows(drawn, own)) for own in rows], rows, drawn, n)


def resamples_of_rows(drawn: Resamples, rows: NDArray[np.intp]) -> Resamples:
    """The same resamples of patients for some of the rows."""
    return replace(drawn, numbers=drawn.numbers[rows])


def mean_over_repeats(
    repeats: Sequence[Bootstrap], rows: Sequence[NDArray[np.intp]], drawn: Resamples, n: int
) -> Bootstrap:
    """The mean of every metric over the repeats.

    Influences of a patient are summed over the repeats, so intervals treat its predictions in all repeats as dependent.
    Metrics with neither influences nor resamples get no interval. A metric that is undefined in a repeat is undefined.
    In a resample, the mean is over the repeats in which the metric is defined: small test sets may lack a class there.

    Args:
        repeats: Metrics of each repeat, on the same resamples.
        rows: The rows of each repeat.
        drawn: These resamples, for all rows.
        n: Number of different slides, or patients, in all repeats.
    """
    first = repeats[0]
    values = {name: _mean([repeat.values[name] for repeat in repeats]) for name in first.values}
    samples = LazySamples(first.samples, lambda name: _mean_of_known(np.stack([one.samples[name] for one in repeats])))
    influences = {
        name: _mean_influence([repeat.influences[name] for repeat in repeats], rows, len(drawn.numbers))
        for name in first.influences
        if all(name in repeat.influences for repeat in repeats)
    }
    closed = {name: influence_interval(name, one, drawn.numbers) for name, one in influences.items()}
    closed |= {name: without_interval(CLOSED_ONLY) for name in values.keys() - samples.keys() - closed.keys()}
    reasons = {name: reason for repeat in reversed(repeats) for name, reason in repeat.undefined.items() if reason}
    return Bootstrap(values, samples, n, drawn, closed, reasons, influences)


def _mean_influence(parts: Sequence[Influence], rows: Sequence[NDArray[np.intp]], n: int) -> Influence:
    """The influence of all n rows on the mean of metrics of different rows."""
    influence, leverage, strata = np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    for part, own in zip(parts, rows, strict=True):
        influence[own], leverage[own], strata[own] = part.rows / len(parts), part.leverage / len(parts), part.strata
    return Influence(float(np.mean([part.value for part in parts])), influence, leverage, strata)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _mean_of_known(samples: Floats) -> Floats:
    """Means [R] over the repeats of `samples` [repeats, R]; NaN where no repeat has a value."""
    known = ~np.isnan(samples)
    totals = np.where(known, samples, 0.0).sum(axis=0)
    counts = known.sum(axis=0)
    means: Floats = np.divide(totals, counts, out=np.full(samples.shape[1], np.nan), where=counts > 0)
    return means
