"""Which patients a probe labels and tests.

Patients are divided into folds, stratified by class. In each fold a budget of the other patients is labelled, in
several random draws that are the same for all embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from oceanpath.errors import ExperimentError

Rows = NDArray[np.int64]
LEAST = 2
"""Minimum number of labelled patients per class of a fraction."""


@dataclass(frozen=True)
class ProbeCohort:
    """Labels and patients of the slides, as numbers."""

    labels: Rows
    patients: Rows
    folds: Rows | None = None
    """The fold that tests each slide, if a pretraining determines it."""

    @classmethod
    def of(cls, labels: Sequence[str], patients: Sequence[str], where: object) -> ProbeCohort:
        """The cohort of these texts. Raises: ExperimentError: fewer than two classes."""
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ExperimentError("a probe needs two or more classes", where=where, got=", ".join(classes))
        return cls(numbers, np.unique(patients, return_inverse=True)[1])


@dataclass(frozen=True)
class Budget:
    """How many patients of each class are labelled: a fraction of them, or a number."""

    fraction: float = 1.0
    patients: int | None = None

    def __str__(self) -> str:
        return f"{100 * self.fraction:g} %" if self.patients is None else f"{self.patients} per class"

    @property
    def is_all(self) -> bool:
        """Whether every draw has the same patients."""
        return self.patients is None and self.fraction == 1.0

    def of(self, count: int) -> int:
        """The number of labelled patients of a class that has `count`."""
        return min(count, self.patients or max(LEAST, round(count * self.fraction)))


@dataclass(frozen=True)
class Protocol:
    """Folds, draws and resamples."""

    folds: int = 5
    draws: int = 10
    resamples: int = 200
    seed: int = 0


class Trial(NamedTuple):
    """One fold and one draw."""

    fold: int
    draw: int
    train: Rows
    """All rows of the fold that are not tested."""
    labelled: Rows
    """The rows of `train` whose labels are used."""
    test: Rows


def trials(cohort: ProbeCohort, protocol: Protocol, budget: Budget) -> list[Trial]:
    """All draws of all folds; one draw per fold if every patient is labelled."""
    folds, found = test_folds(cohort, protocol), list[Trial]()
    for fold in range(int(folds.max()) + 1):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        for draw in range(1 if budget.is_all else protocol.draws):
            random = np.random.default_rng([protocol.seed, fold, draw])
            found.append(Trial(fold, draw, train, _labelled(train, cohort, budget, random), test))
    return found


def test_folds(cohort: ProbeCohort, protocol: Protocol) -> Rows:
    """The fold that tests each slide, [S]."""
    if cohort.folds is not None:
        return cohort.folds
    folds = np.zeros(len(cohort.labels), np.int64)
    splitter = StratifiedGroupKFold(protocol.folds, shuffle=True, random_state=protocol.seed)
    for fold, (_, test) in enumerate(splitter.split(cohort.labels, cohort.labels, cohort.patients)):
        folds[test] = fold
    return folds


def inner_folds(cohort: ProbeCohort, rows: Rows, count: int) -> Rows:
    """A fold below `count` for each of some rows, [n]; patients of a class are assigned in turn."""
    patients, first, member = np.unique(cohort.patients[rows], return_index=True, return_inverse=True)
    classes, fold = cohort.labels[rows][first], np.zeros(len(patients), np.int64)
    for name in np.unique(classes):
        own = np.random.default_rng([len(rows), int(name)]).permutation(np.flatnonzero(classes == name))
        fold[own] = np.arange(len(own)) % count
    assigned: Rows = fold[member]
    return assigned


def fewest_patients(cohort: ProbeCohort, rows: Rows) -> int:
    """The number of patients of the smallest class of some rows."""
    labels = cohort.labels[rows]
    return min(len(np.unique(cohort.patients[rows][labels == name])) for name in np.unique(labels))


def _labelled(train: Rows, cohort: ProbeCohort, budget: Budget, random: np.random.Generator) -> Rows:
    """The rows of the labelled patients; a patient belongs to the class of its first slide."""
    patients, first = np.unique(cohort.patients[train], return_index=True)
    classes = cohort.labels[train][first]
    kept: list[int] = []
    for name in np.unique(classes):
        own = random.permutation(patients[classes == name])
        kept += own[: budget.of(len(own))].tolist()
    rows: Rows = train[np.isin(cohort.patients[train], kept)]
    return rows
