"""Statistics of the training slides for the flag of unlike slides, and its limit on slides of other patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf
from threadpoolctl import threadpool_limits

from oceanpath.artifacts.bundle.facts import SimilarityFacts
from oceanpath.artifacts.bundle.feature_statistics import FeatureStatistics
from oceanpath.artifacts.bundle.folder import STATISTICS
from oceanpath.artifacts.store.reader import Store
from oceanpath.stages.export.runners import THREADS

GROUPS = 10
"""Groups of patients whose distances are computed with statistics of the other groups."""
QUANTILE = 0.99
"""Quantile of these distances that is the limit: one of a hundred slides like the training slides is flagged."""
FEWEST_SLIDES = 50
"""With fewer slides the quantile depends on a single slide; chosen before any result was known."""


def write_statistics(store: Store, patients: Mapping[str, str], out: Path) -> SimilarityFacts:
    """`describe_similarity`, and feature_statistics.safetensors below `out` if there is a limit."""
    statistics, facts = describe_similarity(store, patients)
    if statistics is not None:
        (out / STATISTICS).write_bytes(statistics.render())
    return facts


def describe_similarity(store: Store, patients: Mapping[str, str]) -> tuple[FeatureStatistics | None, SimilarityFacts]:
    """Statistics and limit of the training slides in a store; `patients` is {slide_id: patient_id}."""
    names = sorted(patients)
    means = np.array([store.features(store.number(name)).mean(axis=0, dtype=np.float64) for name in names])
    if len(names) < FEWEST_SLIDES:
        reason = f"{len(names)} training slides; {FEWEST_SLIDES} are needed"
        return None, SimilarityFacts(slides=len(names), reason=reason)
    try:
        with threadpool_limits(THREADS):
            statistics, shrinkage = fit_statistics(means)
            distances = held_out_distances(means, [patients[name] for name in names])
    except LinAlgError:
        reason = "the mean features of the training slides do not vary in every dimension"
        return None, SimilarityFacts(slides=len(names), reason=reason)
    limit = float(np.quantile(distances, QUANTILE))
    facts = SimilarityFacts(slides=len(names), shrinkage=shrinkage, quantile=QUANTILE, limit=round(limit, 6))
    return statistics, facts


def fit_statistics(means: NDArray[np.float64]) -> tuple[FeatureStatistics, float]:
    """The statistics of mean features [S, D], and the shrinkage of their covariance.

    Raises: LinAlgError: the covariance is singular.
    """
    centre = means.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(means - centre, assume_centered=True)
    factor = cholesky(covariance, lower=True)
    whitening = solve_triangular(factor, np.eye(len(factor)), lower=True)
    return FeatureStatistics(centre.astype(np.float32), whitening.astype(np.float32)), float(shrinkage)


def held_out_distances(means: NDArray[np.float64], patients: Sequence[str]) -> NDArray[np.float64]:
    """The distance [S] of each slide by statistics of slides of other patients."""
    order = {patient: number for number, patient in enumerate(sorted(set(patients)))}
    group = np.array([order[patient] % GROUPS for patient in patients])
    distances = np.empty(len(means))
    for number in np.unique(group):
        statistics, _ = fit_statistics(means[group != number])
        distances[group == number] = statistics.distances(means[group == number])
    return distances
