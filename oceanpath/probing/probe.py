"""Linear, multilayer and k-NN probes of slide embeddings with few labelled patients: see `oceanpath.probing.protocol`.

Embeddings are standardised by all training slides of a fold, labelled or not.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from oceanpath.probing.logistic import probabilities
from oceanpath.probing.protocol import (
    Budget,
    ProbeCohort,
    Protocol,
    Rows,
    Trial,
    fewest_patients,
    inner_folds,
    trials,
)

Floats = NDArray[np.float64]
Kind = Literal["linear", "mlp", "knn"]
NEIGHBOURS = 20
TEMPERATURE = 0.07
INNER = 3
"""Maximum number of inner folds, which select the strength of the penalty."""
HIDDEN, PENALTY, EPOCHS = 256, 0.01, 100
"""Hidden units of the multilayer probe, the weight of the square of its weights, and its epochs."""


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of the test slides of one fold and draw."""

    fold: int
    draw: int
    rows: Rows
    probabilities: Floats


def predict_probe(
    z: NDArray[np.floating], cohort: ProbeCohort, protocol: Protocol, budget: Budget, kind: Kind
) -> list[Prediction]:
    """The predictions of all folds and draws from embeddings [S, E], or [F, S, E] if each fold has its own."""
    predictions, per_fold = [], np.asarray(z, np.float64)
    for trial in trials(cohort, protocol, budget):
        own = per_fold[trial.fold] if z.ndim == 3 else per_fold
        scaled = StandardScaler().fit(own[trial.train]).transform(own)
        predictions.append(Prediction(trial.fold, trial.draw, trial.test, _predict(scaled, cohort, trial, kind)))
    return predictions


def _predict(z: Floats, cohort: ProbeCohort, trial: Trial, kind: Kind) -> Floats:
    x, y, to = z[trial.labelled], cohort.labels[trial.labelled], z[trial.test]
    if kind == "linear":
        count = min(INNER, fewest_patients(cohort, trial.labelled))
        folds = inner_folds(cohort, trial.labelled, count) if count > 1 else None
        return probabilities(x, y, folds, to)
    model = _network(trial) if kind == "mlp" else _neighbours(len(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is fixed
        predicted: Floats = model.fit(x, y).predict_proba(to)
    return predicted


def _network(trial: Trial) -> MLPClassifier:
    return MLPClassifier((HIDDEN,), alpha=PENALTY, max_iter=EPOCHS, random_state=1000 * trial.fold + trial.draw)


def _neighbours(count: int) -> KNeighborsClassifier:
    return KNeighborsClassifier(min(NEIGHBOURS, count), metric="cosine", weights=_nearness)


def _nearness(distances: Floats) -> Floats:
    """Weights exp(cosine / 0.07) of neighbours as in Wu et al. (CVPR 2018), up to a factor."""
    weights: Floats = np.exp((distances.min(axis=1, keepdims=True) - distances) / TEMPERATURE)
    return weights
