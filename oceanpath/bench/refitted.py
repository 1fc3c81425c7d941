"""Coverage of intervals of a whole cross-validation, whose models are fitted again in every simulated cohort.

Ten normal features shift between the classes; a ridge discriminant is fitted in each of five folds. The true AUROC of
a linear score is known exactly, so there are two targets: the mean of the five models at hand (*these models*), and
the mean over all cohorts of models of this training size (*refitted*), which an interval from one cohort cannot know.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from oceanpath.bench.coverage import Cell, Covered, summarise
from oceanpath.stats.clustered import clustered_variance
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Ends
from oceanpath.stats.intervals.logit_delong import logit_delong
from oceanpath.stats.placements import auroc_influence, mean_fold_influence

PATIENTS, BEST = (60, 300), (0.7, 0.9, 0.97)
"""Numbers of patients, and AUROC of the best linear score."""
FEATURES, FOLDS, RIDGE = 10, 5, 0.1
ESTIMATES = ("pooled", "mean of folds")


def cover_refitted(cohorts: int, seed: int) -> list[Covered]:
    """Coverage of both targets by the pooled AUROC and by the mean of the folds, for every design."""
    return [row for n, best in product(PATIENTS, BEST) for row in _cover(n, best, cohorts, seed)]


def _cover(n: int, best: float, cohorts: int, seed: int) -> list[Covered]:
    rng = np.random.default_rng([seed, n, round(100 * best)])
    shift = np.full(FEATURES, np.sqrt(2) * ndtri(best) / np.sqrt(FEATURES))
    found = [_cohort(rng, n, shift) for _ in range(cohorts)]
    truths = np.array([truth for truth, _ in found])
    rows = []
    for name in ESTIMATES:
        ends = np.array([_numbers(intervals[name]) for _, intervals in found])
        for target, truth in (("these models", truths), ("refitted", np.full(cohorts, truths.mean()))):
            cell = Cell(n, 0.5, round(float(truths.mean()), 3), 1, 0.0)
            rows.append(summarise(cell, f"{name}: {target}", ends, truth))
    return rows


def _numbers(ends: Ends) -> tuple[float, float]:
    return (np.nan, np.nan) if isinstance(ends, str) else ends


def _cohort(rng: np.random.Generator, n: int, shift: Floats) -> tuple[float, dict[str, Ends]]:
    """Mean true AUROC of the five models, and the intervals of one cohort."""
    labels, folds = np.arange(n) % 2, np.arange(n) // 2 % FOLDS
    x = rng.standard_normal((n, FEATURES)) + labels[:, None] * shift
    scores, truths = np.empty(n), []
    for fold in range(FOLDS):
        weights, centre = _fit(x[folds != fold], labels[folds != fold])
        scores[folds == fold] = (x[folds == fold] - centre) @ weights
        truths.append(ndtr(weights @ shift / np.sqrt(2 * weights @ weights)))
    probs, patients = np.stack([-scores, scores], axis=1), np.arange(n)
    pooled, mean = auroc_influence(labels, probs), mean_fold_influence(labels, probs, folds, patients)
    assert pooled is not None and not isinstance(mean, str), "every fold has both classes"
    areas = zip(ESTIMATES, (pooled, mean), strict=True)
    intervals = {name: logit_delong(one.value, clustered_variance(one, patients)) for name, one in areas}
    return float(np.mean(truths)), intervals


def _fit(x: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Weights and centre of a ridge discriminant."""
    means = np.stack([x[labels == c].mean(axis=0) for c in (0, 1)])
    within = x - means[labels]
    spread = within.T @ within / len(x) + RIDGE * np.eye(x.shape[1])
    return np.linalg.solve(spread, means[1] - means[0]), means.mean(axis=0)
