"""Methods by name, for the simulation of their coverage. `logit_delong` and `wilson` are the defaults of reports.

A method of `AUROC_METHODS` or `PROPORTION_METHODS` is a file of this package and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from oceanpath.stats.clustered import ClusteredVariance, Influence, clustered_variance
from oceanpath.stats.discrimination import Floats, ranking_measure
from oceanpath.stats.estimate import Ends
from oceanpath.stats.intervals.bca import bca_interval
from oceanpath.stats.intervals.logit_delong import logit_delong
from oceanpath.stats.intervals.wilson import wilson
from oceanpath.stats.placements import auroc_influence
from oceanpath.stats.resample import Resamples, bootstrap, draw_patients, jackknife, percentile_interval


@dataclass(frozen=True)
class ScoredRows:
    """Two classes, their scores and patients; bootstrap samples are computed once for all methods."""

    labels: NDArray[np.int64]
    scores: Floats
    """[n] probability of the last class."""
    patients: NDArray[np.int64]
    """[n] number of the patient of each row, from 0."""
    resamples: int = 1000
    seed: int = 42
    confidence: float = 0.95

    @cached_property
    def probs(self) -> Floats:
        """[n, 2]."""
        return np.stack([1 - self.scores, self.scores], axis=1)

    @cached_property
    def influence(self) -> Influence:
        """The AUROC and the influence of every row on it."""
        found = auroc_influence(self.labels, self.probs)
        assert found is not None, "both classes are present"
        return found

    @cached_property
    def variance(self) -> ClusteredVariance:
        """Of the AUROC."""
        return clustered_variance(self.influence, self.patients)

    @property
    def value(self) -> float:
        """AUROC."""
        return self.influence.value

    def draw(self, by_class: bool = False) -> Resamples:
        """Resamples of the patients, or of the patients of each class."""
        names = self.patients.astype(str).tolist()
        return draw_patients(names, self.labels, resamples=self.resamples, seed=self.seed, by_class=by_class)

    def samples(self, drawn: Resamples) -> Floats:
        """AUROC on every resample, [R]."""
        return np.asarray(bootstrap([ranking_measure(self.labels, self.probs)], drawn).samples["auroc"])


AurocMethod = Callable[[ScoredRows], Ends]


def _logit_delong(rows: ScoredRows) -> Ends:
    return logit_delong(rows.value, rows.variance, rows.confidence)


def _delong(rows: ScoredRows) -> Ends:
    half = float(ndtri((1 + rows.confidence) / 2)) * float(np.sqrt(rows.variance.total))
    return rows.value - half, rows.value + half


def _percentile(rows: ScoredRows) -> Ends:
    return percentile_interval(rows.value, rows.samples(rows.draw()), rows.confidence)


def _stratified(rows: ScoredRows) -> Ends:
    return percentile_interval(rows.value, rows.samples(rows.draw(by_class=True)), rows.confidence)


def _bca(rows: ScoredRows) -> Ends:
    drawn = rows.draw()
    without = jackknife([ranking_measure(rows.labels, rows.probs)], drawn)["auroc"]
    return bca_interval(rows.value, rows.samples(drawn), without, rows.confidence)


AUROC_METHODS: dict[str, AurocMethod] = {
    "logit_delong": _logit_delong,
    "delong": _delong,
    "percentile": _percentile,
    "stratified": _stratified,
    "bca": _bca,
}
PROPORTION_METHODS = {"wilson": wilson}
