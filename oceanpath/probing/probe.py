"""Linear and k-NN probes of slide embeddings with few labelled patients.

Patients are divided into folds, stratified by class. In each fold a fraction of the training patients is labelled, in
several random draws that are the same for all embeddings; at least two patients per class. Scores are AUROC of the test
slides (macro one-versus-rest for more classes), averaged over folds and draws. Intervals are percentiles over resampled
patients and draws; differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from oceanpath.errors import ExperimentError
from oceanpath.stats.discrimination import ranking_measure

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
LEAST = 2
"""Minimum number of labelled patients per class."""
NEIGHBOURS = 20
TEMPERATURE = 0.07
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse regularisation strengths of the logistic regression, of which inner folds select one."""
METRIC = "AUROC"
"""The metric of a probe."""


@dataclass(frozen=True)
class ProbeCohort:
    """Labels and patients of the slides, as numbers."""

    labels: Rows
    patients: Rows

    @classmethod
    def of(cls, labels: Sequence[str], patients: Sequence[str], where: object) -> ProbeCohort:
        """The cohort of these texts. Raises: ExperimentError: fewer than two classes."""
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ExperimentError("a probe needs two or more classes", where=where, got=", ".join(classes))
        return cls(numbers, np.unique(patients, return_inverse=True)[1])


@dataclass(frozen=True)
class Protocol:
    """Folds, fractions of labelled patients, draws and resamples."""

    fractions: tuple[float, ...] = (0.01, 0.05, 0.1, 0.25, 1.0)
    folds: int = 5
    draws: int = 10
    resamples: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of the test slides of one fold and draw."""

    rows: Rows
    probabilities: Floats


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def predict_probe(
    z: NDArray[np.floating], cohort: ProbeCohort, protocol: Protocol, fraction: float, kind: str
) -> list[Prediction]:
    """The predictions of all folds and draws from embeddings [S, E]; `kind` is ``linear`` or ``knn``."""
    predictions = []
    for train, test in labelled_folds(cohort, protocol, fraction):
        scaler = StandardScaler().fit(z[train])
        x, own, y = scaler.transform(z[train]), scaler.transform(z[test]), cohort.labels[train]
        if kind == "linear":  # the solution is in the span of the rows, so fewer columns give the same predictions
            axes = np.linalg.svd(x, full_matrices=False)[2].T
            x, own = x @ axes, own @ axes
        model = _linear(x, y, cohort.patients[train]) if kind == "linear" else _neighbours(x, y)
        predictions.append(Prediction(test, model.predict_proba(own)))
    return predictions


def labelled_folds(cohort: ProbeCohort, protocol: Protocol, fraction: float) -> Iterator[tuple[Rows, Rows]]:
    """Labelled training rows and test rows of each fold and draw."""
    splitter = StratifiedGroupKFold(protocol.folds, shuffle=True, random_state=protocol.seed)
    for fold, (train, test) in enumerate(splitter.split(cohort.labels, cohort.labels, cohort.patients)):
        for draw in range(1 if fraction == 1.0 else protocol.draws):
            random = np.random.default_rng([protocol.seed, fold, draw])
            yield _labelled(train, cohort, fraction, random), test


def _labelled(train: Rows, cohort: ProbeCohort, fraction: float, random: np.random.Generator) -> Rows:
    """The rows of a fraction of the patients of each class; a patient belongs to the class of its first slide."""
    patients, first = np.unique(cohort.patients[train], return_index=True)
    classes = cohort.labels[train][first]
    kept: list[int] = []
    for name in np.unique(classes):
        own = random.permutation(patients[classes == name])
        kept += own[: max(LEAST, round(len(own) * fraction))].tolist()
    rows: Rows = train[np.isin(cohort.patients[train], kept)]
    return rows


def _linear(x: Floats, y: Rows, patients: Rows) -> LogisticRegression:
    best = 0.1
    folds = min(3, *(len(np.unique(patients[y == name])) for name in np.unique(y)))
    if folds == 3:
        scores = [_inner_score(x, y, patients, strength) for strength in STRENGTHS]
        best = STRENGTHS[int(np.argmax(scores))]
    return LogisticRegression(C=best, max_iter=1000).fit(x, y)


def _inner_score(x: Floats, y: Rows, patients: Rows, strength: float) -> float:
    scores = []
    for train, val in StratifiedGroupKFold(3).split(x, y, patients):
        if len(np.unique(y[train])) == len(np.unique(y)) == len(np.unique(y[val])):
            model = LogisticRegression(C=strength, max_iter=1000).fit(x[train], y[train])
            scores.append(auroc(model.predict_proba(x[val]), y[val])[0])
    return float(np.mean(scores)) if scores else 0.0


def _neighbours(x: Floats, y: Rows) -> KNeighborsClassifier:
    return KNeighborsClassifier(min(NEIGHBOURS, len(x)), metric="cosine", weights=_nearness).fit(x, y)


def _nearness(distances: Floats) -> Floats:
    """Weights exp(cosine / 0.07) of neighbours as in Wu et al. (CVPR 2018), up to a factor."""
    weights: Floats = np.exp((distances.min(axis=1, keepdims=True) - distances) / TEMPERATURE)
    return weights


def auroc(probabilities: Floats, labels: Rows, weights: Rows | None = None) -> Floats:
    """AUROC [R] of several classes macro one-versus-rest for each row of weights [R, n]; NaN if a class is missing."""
    weights = np.ones((1, len(labels)), np.int64) if weights is None else weights
    has_all = np.all([weights[:, labels == k].any(axis=1) for k in range(probabilities.shape[1])], axis=0)
    values: Floats = np.where(has_all, ranking_measure(labels, probabilities)(weights)["auroc"], np.nan)
    return values


def estimate(
    arms: Mapping[str, Sequence[Prediction]], cohort: ProbeCohort, protocol: Protocol, baseline: str
) -> dict[str, tuple[Estimate, Estimate]]:
    """Name → mean AUROC, and its paired difference to the arm `baseline`."""
    random = np.random.default_rng([protocol.seed, 1])
    count, draws = int(cohort.patients.max()) + 1, len(arms[baseline])
    weights, chosen = [np.ones(count, np.int64)], [np.arange(draws)]  # the first row is the estimate itself
    for _ in range(protocol.resamples):
        weights.append(np.bincount(random.integers(count, size=count), minlength=count))
        chosen.append(random.integers(draws, size=draws))
    of_slides, picked = np.stack(weights)[:, cohort.patients], np.stack(chosen)
    means = {name: _means(predictions, cohort, of_slides, picked) for name, predictions in arms.items()}
    return {name: (_estimate(rows), _estimate(rows - means[baseline])) for name, rows in means.items()}


def _means(predictions: Sequence[Prediction], cohort: ProbeCohort, weights: Rows, chosen: Rows) -> Floats:
    """Mean AUROC [R] over the chosen predictions [R, P], with the weights of the slides [R, S]."""
    each = [auroc(one.probabilities, cohort.labels[one.rows], weights[:, one.rows]) for one in predictions]
    means: Floats = np.nanmean(np.take_along_axis(np.stack(each, axis=1), chosen, axis=1), axis=1)
    return means


def _estimate(values: Floats) -> Estimate:
    """The first value, with the percentiles of the others."""
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return Estimate(float(values[0]), float(low), float(high))
