"""Coverage of intervals of the difference of two AUROCs on the same slides by simulation.

The scores of the second model are a mixture of those of the first and of further ones of equal correlation within
patients; both have their own true AUROC.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from oceanpath.bench.coverage import Cell, Covered, patient_scores, summarise
from oceanpath.stats.discrimination import Floats, ranking_measure
from oceanpath.stats.paired import PairedDifference, paired_difference, resampled_difference
from oceanpath.stats.placements import auroc_influence
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap, draw_patients

PAIRS = ((0.9, 0.9), (0.9, 0.8), (0.97, 0.9))
"""True AUROCs of both models."""
SHARED = 0.5
"""Correlation of the scores of both models."""
PATIENTS = ((40, 0.3), (60, 0.3), (60, 0.1), (300, 0.3))
"""Number of patients, and share of positive ones."""


def cover_differences(cohorts: int, resamples: int, seed: int) -> list[Covered]:
    """MOVER and percentile intervals, one to five slides per patient."""
    cells = [(Cell(n, share, a, 5, 0.4), b) for n, share in PATIENTS for a, b in PAIRS]
    return [row for cell, other in cells for row in _cover(cell, other, cohorts, resamples, seed)]


def _cover(cell: Cell, other: float, cohorts: int, resamples: int, seed: int) -> list[Covered]:
    rng = np.random.default_rng([seed, cell.patients, cell.positives, round(100 * cell.target), round(100 * other)])
    ends: dict[str, list[tuple[float, float]]] = {"mover": [], "percentile": []}
    for _ in range(cohorts):
        labels, probs, patients = _two_models(cell, other, rng)
        drawn = draw_patients(
            patients.astype(str).tolist(), labels, resamples=resamples, seed=int(rng.integers(1 << 30))
        )
        first, second = (_area(labels, one, drawn) for one in probs)
        ends["mover"].append(_ends(paired_difference(first, second)))
        ends["percentile"].append(_ends(resampled_difference(first, second)))
    truth = np.full(cohorts, cell.target - other)
    shown = replace(cell, target=round(cell.target - other, 2))
    return [summarise(shown, f"{cell.target:g} and {other:g}, {name}", np.array(e), truth) for name, e in ends.items()]


def _two_models(
    cell: Cell, other: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], tuple[Floats, Floats], NDArray[np.int64]]:
    """Labels, probabilities of both models and patients of one cohort."""
    fixed = replace(cell, slides=1, correlation=0.0)
    slides = rng.integers(1, cell.slides + 1, cell.patients)
    patients = np.repeat(np.arange(cell.patients), slides)

    def scores() -> Floats:
        shared, own = patient_scores(fixed, rng)[1][patients], rng.standard_normal(len(patients))
        return np.asarray(np.sqrt(cell.correlation) * shared + np.sqrt(1 - cell.correlation) * own)

    labels = (patients < cell.positives).astype(np.int64)
    one = scores()
    two = SHARED * one + np.sqrt(1 - SHARED**2) * scores()
    shifted = [x + np.sqrt(2) * ndtri(target) * labels for x, target in ((one, cell.target), (two, other))]
    first, second = (np.stack([1 - ndtr(x), ndtr(x)], axis=1) for x in shifted)
    return labels, (first, second), patients


def _area(labels: NDArray[np.int64], probs: Floats, drawn: Resamples) -> Bootstrap:
    influence = auroc_influence(labels, probs)
    assert influence is not None, "both classes are present"
    return replace(bootstrap([ranking_measure(labels, probs)], drawn), influences={"auroc": influence})


def _ends(found: PairedDifference) -> tuple[float, float]:
    return (np.nan, np.nan) if found.low is None or found.high is None else (found.low, found.high)
