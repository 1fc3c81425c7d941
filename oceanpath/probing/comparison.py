"""AUROC of probes with intervals, and paired differences.

The AUROC of the test slides (macro one-versus-rest for more than two classes) is averaged over folds, draws and seeds
of pretraining. Intervals are percentiles over resampled patients, draws and seeds: all arms have the same resampled
patients and draws; the seeds of each arm are resampled on their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.probing.probe import Prediction
from oceanpath.probing.protocol import ProbeCohort, Protocol, Rows
from oceanpath.stats.discrimination import ranking_measure

Floats = NDArray[np.float64]
METRIC = "AUROC"
"""The metric of a probe."""
Seeds = Sequence[Sequence[Prediction]]
"""The predictions of an arm, once per seed of its pretraining."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class Comparison:
    """The resampled AUROC of several arms."""

    def __init__(self, arms: Mapping[str, Seeds], cohort: ProbeCohort, protocol: Protocol) -> None:
        random = np.random.default_rng([protocol.seed, 1])
        count = int(cohort.patients.max()) + 1
        weights = [np.ones(count, np.int64)]  # the first row is the estimate itself
        for _ in range(protocol.resamples):
            weights.append(np.bincount(random.integers(count, size=count), minlength=count))
        of_slides = np.stack(weights)[:, cohort.patients]
        self._scores = {name: _scores(seeds, cohort, of_slides) for name, seeds in arms.items()}
        self._protocol = protocol

    def value(self, name: str) -> Estimate:
        """Mean AUROC of an arm."""
        return _estimate(self._means(name, self._scores[name].shape[1]))

    def difference(self, name: str, baseline: str) -> Estimate:
        """Mean AUROC of an arm minus that of another one, over the draws that both have."""
        return _estimate(self.differences(name, baseline))

    def differences(self, name: str, baseline: str) -> Floats:
        """The difference itself, followed by those of the resamples."""
        draws = min(self._scores[each].shape[1] for each in (name, baseline))
        return self._means(name, draws) - self._means(baseline, draws)

    def _means(self, name: str, draws: int) -> Floats:
        """[R + 1], over the first `draws` draws."""
        scores, resamples = self._scores[name][:, :draws], self._protocol.resamples
        random = np.random.default_rng([self._protocol.seed, 2])
        drawn = random.integers(draws, size=(resamples, draws))  # the same for all arms
        own = np.random.default_rng([self._protocol.seed, 3, *name.encode()])
        seeds = own.integers(len(scores), size=(resamples, len(scores)))
        rows = [scores[:, :, 0].mean()]
        for k in range(resamples):
            rows.append(scores[seeds[k]][:, drawn[k], k + 1].mean())
        return np.array(rows)


def auroc(probabilities: Floats, labels: Rows, weights: Rows | None = None) -> Floats:
    """AUROC [R] of several classes macro one-versus-rest for each row of weights [R, n]; NaN if a class is missing."""
    weights = np.ones((1, len(labels)), np.int64) if weights is None else weights
    has_all = np.all([weights[:, labels == k].any(axis=1) for k in range(probabilities.shape[1])], axis=0)
    values: Floats = np.where(has_all, ranking_measure(labels, probabilities)(weights)["auroc"], np.nan)
    return values


def _scores(seeds: Seeds, cohort: ProbeCohort, weights: Rows) -> Floats:
    """Mean AUROC over folds [seeds, draws, R + 1]."""
    draws = 1 + max(one.draw for one in seeds[0])
    by_seed = []
    for predictions in seeds:
        by_draw: list[list[Floats]] = [[] for _ in range(draws)]
        for one in predictions:
            by_draw[one.draw].append(auroc(one.probabilities, cohort.labels[one.rows], weights[:, one.rows]))
        by_seed.append([_mean_of_known(np.array(folds)) for folds in by_draw])
    return np.array(by_seed)


def _mean_of_known(values: Floats) -> Floats:
    """Means of the columns without their NaN; NaN where a column has nothing else."""
    known = (~np.isnan(values)).sum(axis=0)
    means: Floats = np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)
    return means


def _estimate(values: Floats) -> Estimate:
    """The first value, with the percentiles of the others."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
