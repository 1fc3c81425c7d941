"""Dealing patients into folds: grouped, stratified by class, the same for any order of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oceanpath.errors import ExperimentError
from oceanpath.fit.seeds import derive
from oceanpath.stages.split.settings import SplitSettings

Groups = dict[str, list[str]]
"""Class → its patients, sorted."""


def assign_folds(frame: pd.DataFrame, settings: SplitSettings) -> list[pd.DataFrame]:
    """One frame a fold: `frame` with a column `role`.

    Raises: ExperimentError: a class has too few patients for a test, a validation and a training set in every fold.
    """
    groups = _patients_by_class(frame, settings.classes)
    _refuse_few(groups, settings)
    tests = _test_sets(groups, settings)
    return [_roles(frame, groups, test, number, settings) for number, test in enumerate(tests)]


def _patients_by_class(frame: pd.DataFrame, classes: tuple[str, ...]) -> Groups:
    """Each patient under the class most of its slides have; of equals, the first in class order."""
    rank = {name: i for i, name in enumerate(classes)}
    counts = frame.groupby(["patient_id", "label"]).size().reset_index(name="slides")
    counts["rank"] = counts["label"].map(rank)
    main = counts.sort_values(["patient_id", "slides", "rank"], ascending=[True, False, True]).drop_duplicates(
        "patient_id"
    )
    return {name: sorted(main.loc[main["label"] == name, "patient_id"]) for name in classes}


def _refuse_few(groups: Groups, settings: SplitSettings) -> None:
    """Every fold must test a patient of every class and keep one to train and one to validate."""
    for name, patients in groups.items():
        count = len(patients)
        tested = -(-count // settings.folds) if settings.scheme == "kfold" else _share(count, settings.test_fraction)
        if settings.scheme == "kfold" and count < settings.folds:
            do = f"Set split.folds to {max(2, count)} or less, or merge classes."
            got = f"{count} patients for {settings.folds} folds"
            raise ExperimentError(
                "a class has fewer patients than folds", where=f"[split] class {name}", got=got, do=do
            )
        if count - tested < 2:
            raise ExperimentError(
                "a class has too few patients to train, validate and test", where=f"[split] class {name}", got=count
            )


def _test_sets(groups: Groups, settings: SplitSettings) -> list[set[str]]:
    """Test patients of each fold."""
    random = np.random.default_rng(settings.seed)
    if settings.scheme == "holdout":
        return [set(_drawn(groups, settings.test_fraction, random))]
    hands: list[set[str]] = [set() for _ in range(settings.folds)]
    turn = 0
    for patients in groups.values():  # the turn goes on from class to class, so that folds stay equally large
        for i in random.permutation(len(patients)):
            hands[turn % settings.folds].add(patients[i])
            turn += 1
    return hands


def _roles(frame: pd.DataFrame, groups: Groups, test: set[str], number: int, settings: SplitSettings) -> pd.DataFrame:
    left = {name: [patient for patient in patients if patient not in test] for name, patients in groups.items()}
    # A stream of its own: a generator of [seed, 0] would be that of the seed alone, which draws the test patients.
    random = np.random.default_rng(derive(settings.seed, "val", number))
    val = set(_drawn(left, settings.val_fraction, random))
    role = frame["patient_id"].map(lambda patient: "test" if patient in test else "val" if patient in val else "train")
    return frame.assign(role=role)


def _drawn(groups: Groups, fraction: float, random: np.random.Generator) -> list[str]:
    """A share of each class's patients, at least one and never all."""
    drawn: list[str] = []
    for patients in groups.values():
        order = random.permutation(len(patients))
        drawn += [patients[i] for i in order[: _share(len(patients), fraction)]]
    return drawn


def _share(count: int, fraction: float) -> int:
    return min(max(1, round(count * fraction)), max(1, count - 1))
