"""Coverage of intervals by simulation: how often they contain the true value, and on which side they miss it.

A cohort has a fixed number of patients of each class, one slide or one to five slides each. A score is the sum of a
part of the patient and a part of the slide (intra-patient correlation `correlation`), shifted for positives so that
the true AUROC of slides is exact. A hit of a proportion is such a score below a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Ends
from oceanpath.stats.intervals.registry import AUROC_METHODS, PROPORTION_METHODS, ScoredRows

PATIENTS = (20, 40, 60, 100, 300)
PREVALENCES = (0.1, 0.3, 0.5)
AUROCS = (0.5, 0.7, 0.9, 0.97)
SHARES = (0.5, 0.7, 0.9, 0.95)
CLUSTERS = ((1, 0.0), (5, 0.0), (5, 0.4), (5, 0.8))
"""Most slides of a patient, and the correlation of their scores."""
REFITTED = "cross_validation"
"""Not a method, but the default interval of a whole cross-validation (`oceanpath.bench.refitted`)."""
METRICS = "metrics"
"""Not a method, but the default and percentile intervals of all other metrics (`oceanpath.bench.metric_coverage`)."""
DIFFERENCE = "difference"
"""Not a method, but the intervals of the difference of two AUROCs (`oceanpath.bench.difference_coverage`)."""
METHODS = (*AUROC_METHODS, *PROPORTION_METHODS, METRICS, DIFFERENCE, REFITTED)
SHAPES = ("normal", "exponential")
COVERAGE, TAIL = (93.0, 97.0), (1.0, 4.0)
"""Percent: what a nominal 95 % interval must reach, in total and on each side."""
VERDICTS = ("holds", "conservative", "too narrow", "no interval")
HEAD = ("patients", "positive", "truth", "slides", "correlation", "method", "below", "above", "coverage", "±", "width")
"""Columns of the table; "below": the truth is below the interval."""


@dataclass(frozen=True)
class Cell:
    """One design of a cohort."""

    patients: int
    prevalence: float
    target: float
    """True AUROC, or true share of hits."""
    slides: int
    correlation: float
    shape: str = "normal"
    """One of `SHAPES`: normal scores, or exponential ones, where some positives have the scores of negatives."""

    @property
    def positives(self) -> int:
        """Patients of the positive class."""
        return round(self.patients * self.prevalence)


@dataclass(frozen=True)
class Covered:
    """Results of one method in one cell, in percent of the intervals that exist."""

    cell: Cell
    method: str
    cohorts: int
    low: float
    """The truth is below the interval."""
    high: float
    """The truth is above the interval."""
    missing: float
    """Percent of cohorts without an interval."""
    width: float
    """Mean width."""

    @property
    def coverage(self) -> float:
        """Percent of intervals that contain the truth."""
        return 100 - self.low - self.high

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the coverage."""
        n = max(1.0, self.cohorts * (1 - self.missing / 100))
        return float(np.sqrt(max(self.coverage * (100 - self.coverage), 0) / n))

    @property
    def verdict(self) -> str:
        """Whether coverage and both tails are within their bounds, two standard errors of tolerance included."""
        if self.missing > 50:
            return VERDICTS[3]
        n = max(1.0, self.cohorts * (1 - self.missing / 100))
        tail = 200 * float(np.sqrt(TAIL[1] / 100 / n))
        if self.coverage < COVERAGE[0] - 2 * self.error or max(self.low, self.high) > TAIL[1] + tail:
            return VERDICTS[2]
        is_even = min(self.low, self.high) >= TAIL[0] - tail / 2
        return VERDICTS[0] if self.coverage <= COVERAGE[1] + 2 * self.error and is_even else VERDICTS[1]


def auroc_cells() -> list[Cell]:
    """All designs of the AUROC."""
    return [Cell(n, p, a, *c) for n, p, a, c in product(PATIENTS, PREVALENCES, AUROCS, CLUSTERS)]


def proportion_cells() -> list[Cell]:
    """All designs of a proportion of the rows of some patients: prevalence has no role."""
    return [Cell(n, 1.0, share, *c) for n, share, c in product(PATIENTS, SHARES, CLUSTERS)]


@dataclass(frozen=True)
class Simulation:
    """What is simulated in every cell."""

    methods: Sequence[str]
    cohorts: int = 5000
    resamples: int = 500
    seed: int = 1

    def run(self, patients: Sequence[int], shape: str = "normal") -> list[Covered]:
        """All methods in all cells with these numbers of patients."""
        of_area = [name for name in self.methods if name in AUROC_METHODS]
        cells = [replace(cell, shape=shape) for cell in auroc_cells() if of_area and cell.patients in patients]
        rows = [row for cell in cells for row in cover_auroc(cell, of_area, self.cohorts, self.resamples, self.seed)]
        of_share = [name for name in self.methods if name in PROPORTION_METHODS]
        cells = [cell for cell in proportion_cells() if of_share and cell.patients in patients]
        return rows + [row for cell in cells for row in cover_proportion(cell, self.cohorts, self.seed)]


def cover_auroc(cell: Cell, methods: Sequence[str], cohorts: int, resamples: int, seed: int) -> list[Covered]:
    """Every method on the same cohorts."""

    def intervals(rng: np.random.Generator) -> Mapping[str, Ends]:
        rows = ScoredRows(*draw_scores(cell, rng), resamples=resamples)
        return {name: AUROC_METHODS[name](rows) for name in methods}

    return _cover(cell, intervals, cohorts, seed)


def cover_proportion(cell: Cell, cohorts: int, seed: int) -> list[Covered]:
    """Every method for proportions on the same cohorts."""

    def intervals(rng: np.random.Generator) -> Mapping[str, Ends]:
        patients, scores = patient_scores(cell, rng)
        hits = scores < ndtri(cell.target)
        return {name: method(hits, patients) for name, method in PROPORTION_METHODS.items()}

    return _cover(cell, intervals, cohorts, seed)


def draw_scores(cell: Cell, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Labels [n], probabilities of the positive class [n] and patients [n] of one cohort."""
    patients, scores = patient_scores(cell, rng)
    labels = (patients < cell.positives).astype(np.int64)
    if cell.shape == "exponential":
        odds = -np.log(ndtr(-scores)) * np.where(labels == 1, cell.target / (1 - cell.target), 1.0)
        return labels, odds / (1 + odds), patients
    return labels, ndtr(scores + np.sqrt(2) * ndtri(cell.target) * labels), patients


def patient_scores(cell: Cell, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Patient and standard normal score of each slide."""
    slides = rng.integers(1, cell.slides + 1, cell.patients)
    patients = np.repeat(np.arange(cell.patients), slides)
    shared = rng.standard_normal(cell.patients)[patients]
    scores = np.sqrt(cell.correlation) * shared + np.sqrt(1 - cell.correlation) * rng.standard_normal(len(patients))
    return patients, scores


def _cover(
    cell: Cell, intervals: Callable[[np.random.Generator], Mapping[str, Ends]], cohorts: int, seed: int
) -> list[Covered]:
    rng = np.random.default_rng([seed, cell.patients, cell.positives, round(100 * cell.target), cell.slides])
    ends: dict[str, list[tuple[float, float]]] = {}
    for _ in range(cohorts):
        for name, found in intervals(rng).items():
            ends.setdefault(name, []).append((np.nan, np.nan) if isinstance(found, str) else found)
    return [summarise(cell, name, np.array(found), np.full(len(found), cell.target)) for name, found in ends.items()]


def summarise(cell: Cell, method: str, ends: Floats, truth: Floats) -> Covered:
    """Misses of the intervals [cohorts, 2], NaN where there is none, of the truth of each cohort."""
    exists = ~np.isnan(ends[:, 0])
    (low, high), n = ends[exists].T, max(1, int(exists.sum()))
    misses = (100 * float(np.sum(truth[exists] < low)) / n, 100 * float(np.sum(truth[exists] > high)) / n)
    width = float(np.mean(high - low)) if exists.any() else 0.0
    return Covered(cell, method, len(ends), *misses, 100 * float(np.mean(~exists)), width)


def coverage_table(rows: Sequence[Covered]) -> str:
    """The rows as a Markdown table."""
    head = f"| {' | '.join(HEAD)} | verdict |"
    return "\n".join([head, "|---" * (len(HEAD) + 1) + "|", *(_line(row) for row in rows)])


def _line(row: Covered) -> str:
    cell, slides = row.cell, "1" if row.cell.slides == 1 else f"1-{row.cell.slides}"
    design = f"| {cell.patients} | {cell.positives} | {cell.target:g} | {slides} | {cell.correlation:g} | {row.method} "
    if row.missing > 50:
        return design + f"| | | | | | {row.verdict} |"
    figures = f"| {row.low:.1f} | {row.high:.1f} | {row.coverage:.1f} | {row.error:.1f} | {row.width:.3f} "
    return design + figures + f"| {row.verdict} |"


def verdicts(rows: Sequence[Covered]) -> dict[str, dict[str, int]]:
    """Method → number of cells per verdict."""
    methods = {row.method: [one.verdict for one in rows if one.method == row.method] for row in rows}
    return {method: {verdict: own.count(verdict) for verdict in VERDICTS} for method, own in methods.items()}
