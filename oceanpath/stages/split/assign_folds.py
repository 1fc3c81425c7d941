"""Assignment of patients to folds: grouped by patient, stratified, the same for any order of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oceanpath.errors import ExperimentError
from oceanpath.fit.seeds import derive
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.tasks.base import Task

Groups = dict[str, list[str]]
"""Stratum → its patients, sorted."""


def assign_folds(frame: pd.DataFrame, settings: SplitSettings) -> list[pd.DataFrame]:
    """One frame per fold: `frame` with a column `role`.

    Raises: ExperimentError: a stratum has too few patients for a test, a validation and a training set in every fold.
    """
    task = settings.target()
    groups = patients_by_stratum(frame, task)
    _refuse_few(groups, settings, task)
    tests = _test_sets(groups, settings)
    return [_roles(frame, groups, test, number, settings) for number, test in enumerate(tests)]


def patients_by_stratum(frame: pd.DataFrame, task: Task) -> Groups:
    """Each patient under the stratum of most of its slides; of equals, the first in their order."""
    strata = task.strata(frame["label"].tolist())
    rows = frame[["patient_id"]].assign(rank=strata.rows)
    counts = rows.groupby(["patient_id", "rank"]).size().reset_index(name="slides")
    main = counts.sort_values(["patient_id", "slides", "rank"], ascending=[True, False, True]).drop_duplicates(
        "patient_id"
    )
    return {name: sorted(main.loc[main["rank"] == rank, "patient_id"]) for rank, name in enumerate(strata.names)}


def _refuse_few(groups: Groups, settings: SplitSettings, task: Task) -> None:
    """Every fold must test a patient of every stratum and keep one to train and one to validate."""
    for name, patients in groups.items():
        count = len(patients)
        tested = -(-count // settings.folds) if settings.scheme == "kfold" else _share(count, settings.test_fraction)
        if settings.scheme == "kfold" and count < settings.folds:
            do = f"Set split.folds to {max(2, count)} or less, or {task.merge}."
            got = f"{count} patients for {settings.folds} folds"
            what = f"a {task.stratum} has fewer patients than folds"
            raise ExperimentError(what, where=f"[split] {task.stratum} {name}", got=got, do=do)
        if count - tested < 2:
            what = f"a {task.stratum} has too few patients to train, validate and test"
            raise ExperimentError(what, where=f"[split] {task.stratum} {name}", got=count)


def _test_sets(groups: Groups, settings: SplitSettings) -> list[set[str]]:
    """Test patients of each fold."""
    random = np.random.default_rng(settings.seed)
    if settings.scheme == "holdout":
        return [set(_drawn(groups, settings.test_fraction, random))]
    tests: list[set[str]] = [set() for _ in range(settings.folds)]
    turn = 0
    for patients in groups.values():  # the turn continues from stratum to stratum, so that folds stay equally large
        for i in random.permutation(len(patients)):
            tests[turn % settings.folds].add(patients[i])
            turn += 1
    return tests


def _roles(frame: pd.DataFrame, groups: Groups, test: set[str], number: int, settings: SplitSettings) -> pd.DataFrame:
    left = {name: [patient for patient in patients if patient not in test] for name, patients in groups.items()}
    # An independent stream: a generator of [seed, 0] equals that of the seed alone, which draws the test patients.
    random = np.random.default_rng(derive(settings.seed, "val", number))
    val = set(_drawn(left, settings.val_fraction, random))
    role = frame["patient_id"].map(lambda patient: "test" if patient in test else "val" if patient in val else "train")
    return frame.assign(role=role)


def _drawn(groups: Groups, fraction: float, random: np.random.Generator) -> list[str]:
    """A fraction of the patients of each stratum, at least one and never all."""
    drawn: list[str] = []
    for patients in groups.values():
        order = random.permutation(len(patients))
        drawn += [patients[i] for i in order[: _share(len(patients), fraction)]]
    return drawn


def _share(count: int, fraction: float) -> int:
    return min(max(1, round(count * fraction)), max(1, count - 1))
