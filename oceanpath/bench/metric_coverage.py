"""Coverage of the default intervals of AUPRC, F1, MCC, Brier score and others by simulation, next to the bootstrap.

Scores as in `oceanpath.bench.coverage`. The class of each patient is drawn with the prevalence, because these metrics
depend on it. Probabilities are those of a calibrated model, and decisions are the more probable class.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from scipy.special import expit, logit, ndtri

from oceanpath.bench.coverage import Cell, Covered, patient_scores, summarise
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.panel import evaluate
from oceanpath.stats.resample import Bootstrap, draw_patients

CELLS = (
    *(Cell(40, p, a, *c) for p, a, c in ((0.3, 0.7, (1, 0.0)), (0.3, 0.9, (5, 0.4)))),
    *(Cell(60, p, a, *c) for p, a, c in ((0.1, 0.9, (5, 0.4)), (0.3, 0.9, (1, 0.0)), (0.5, 0.97, (5, 0.4)))),
    *(Cell(100, p, a, *c) for p, a, c in ((0.3, 0.7, (5, 0.8)), (0.3, 0.9, (5, 0.4)))),
    *(Cell(300, p, a, *c) for p, a, c in ((0.1, 0.97, (5, 0.4)), (0.3, 0.9, (5, 0.4)))),
)
SHOWN = ("auprc", "balanced_accuracy", "f1", "mcc", "kappa", "brier", "log_loss", "brier_scaled")
LARGE = 400_000
"""Patients of the cohort that determines the true values."""


def cover_metrics(cohorts: int, resamples: int, seed: int) -> list[Covered]:
    """Default and percentile intervals of every metric in every design."""
    return [row for cell in CELLS for row in cover_cell(cell, cohorts, resamples, seed)]


def cover_cell(cell: Cell, cohorts: int, resamples: int, seed: int) -> list[Covered]:
    """Both intervals of every metric in one design; percentile intervals only with resamples."""
    rng = np.random.default_rng([seed, cell.patients, round(100 * cell.prevalence), round(100 * cell.target)])
    truth = _evaluate(replace(cell, patients=LARGE, slides=1, correlation=0.0), rng, 0).values
    ends: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(cohorts):
        found = _evaluate(cell, rng, resamples)
        methods = {"delta": found} | ({"percentile": replace(found, closed={})} if resamples else {})
        for name, (method, metrics) in product(SHOWN, methods.items()):
            ends.setdefault((name, method), []).append(_ends(metrics.estimate(name)))
    return [_summarise(cell, name, method, np.array(both), truth[name]) for (name, method), both in ends.items()]


def _evaluate(cell: Cell, rng: np.random.Generator, resamples: int) -> Bootstrap:
    """All metrics of one cohort that has both classes."""
    labels = np.zeros(0, np.int64)
    while len(set(labels.tolist())) < 2:
        patients, scores = patient_scores(cell, rng)
        labels = (rng.random(cell.patients) < cell.prevalence).astype(np.int64)[patients]
    shift = float(np.sqrt(2) * ndtri(cell.target))
    prob = expit(shift * (scores + shift * labels) - shift**2 / 2 + logit(cell.prevalence))
    names, seed = patients.astype(str).tolist(), int(rng.integers(1 << 30))
    return evaluate(
        labels, np.stack([1 - prob, prob], axis=1), draw_patients(names, labels, resamples=resamples, seed=seed)
    )


def _ends(estimate: Estimate) -> tuple[float, float]:
    return (np.nan, np.nan) if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


def _summarise(cell: Cell, name: str, method: str, ends: Floats, truth: float | None) -> Covered:
    assert truth is not None, "a large cohort has all metrics"
    shown = replace(cell, target=round(truth, 3))
    return summarise(shown, f"{name}, {method}", ends, np.full(len(ends), truth))
