"""The rows that may be reported; all others are rejected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.tested_slides import FoldPlan, average_ensembles, read_plan
from oceanpath.errors import StageError
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats, Targets
from oceanpath.tasks.registry import read_task


@dataclass(frozen=True)
class ReportedRows:
    """The pooled test rows: one row per slide and repeat, sorted by fold, then slide_id."""

    frame: pd.DataFrame
    """Columns as in `oceanpath.artifacts.predictions`."""
    task: Task
    targets: Targets
    """[n]."""
    values: Floats
    """[n, K], the columns of the task."""
    results: dict[str, Any]
    """cv_results.json."""
    members: pd.DataFrame
    """One row per slide and fold: the rows of every model before ensembles are averaged."""

    @property
    def plan(self) -> FoldPlan:
        """The repeat and the ensemble of every fold."""
        return read_plan(self.results)

    @property
    def repeats(self) -> NDArray[np.int64]:
        """Repeat of each row, [n]."""
        return np.asarray(self.plan.repeats, np.int64)[self.folds]

    @property
    def fold_facts(self) -> list[dict[str, Any]]:
        """The facts of every fold; those that decide are the means over the ensemble of the fold."""
        facts = [dict(entry) for entry in self.results["per_fold"]]
        for number, ensemble in enumerate(self.plan.ensembles):
            members = [self.results["per_fold"][fold] for fold in self.plan.members(ensemble)]
            for key in self.task.fold_facts:
                known = [entry[key] for entry in members if entry.get(key) is not None]
                facts[number][key] = float(np.mean(known)) if len(known) == len(members) else None
        return facts

    @property
    def patients(self) -> list[str]:
        """Patient of each row, [n]."""
        return [str(name) for name in self.frame["patient_id"]]

    @property
    def folds(self) -> NDArray[np.int64]:
        """Fold that tested each row, [n]."""
        return self.frame["fold"].to_numpy(np.int64)

    @property
    def selected(self) -> bool:
        """Whether the scheme also used these rows for selection."""
        return bool(self.results["selected"])


def read_rows(train: Path, split: Path) -> ReportedRows:
    """The test rows that `train` published, after every cross-check with the folds and the val rows.

    Raises:
        StageError: a row is not a test row, a slide is tested twice, a test row was also used for selection, or rows
            and folds do not match.
    """
    results = predictions.read_cv_results(train)
    task = read_task(results, train)
    frame = predictions.read_oof(train, task)
    refuse_other_roles(frame, where=train)
    check_duplicates(frame, "fold", where=train)
    rows = average_ensembles(frame, read_plan(results), task.columns)
    reported = ReportedRows(rows, task, task.targets(rows["label"].tolist()), task.values(rows), results, frame)
    check_duplicates(rows.assign(repeat=reported.repeats), "repeat", where=train)
    fitted = list[Targets]()
    for number in range(results["folds"]):
        test = frame[frame["fold"] == number]
        val = predictions.read_predictions(train / f"fold_{number}/preds_val.parquet", task)
        if not results["selected"]:
            check_selection_leakage(test, val, where=f"fold {number}")
        fold = folds.read_fold(split, number)
        match_fold(test, fold, where=f"fold {number}")
        fitted.append(task.targets(fold.loc[fold["role"] == "train", "label"].tolist()))
    return replace(reported, task=task.with_training(fitted))


def refuse_other_roles(frame: pd.DataFrame, where: object) -> None:
    """Raise StageError unless every row has the role test, and there is one."""
    if frame.empty:
        raise StageError("there are no test rows", where=where)
    if others := sorted(set(frame["role"]) - {"test"}):
        raise StageError("only test rows can be reported", where=where, expected="role test", got=", ".join(others))


def check_duplicates(frame: pd.DataFrame, within: str, where: object) -> None:
    """Raise StageError if a slide is tested twice within a fold or a repeat, because it would be counted twice."""
    twice = sorted(frame.loc[frame.duplicated(["slide_id", within]), "slide_id"])
    if twice:
        what = f"slides are tested more than once within a {within}"
        raise StageError(what, where=where, got=f"{len(twice)}, first {twice[0]}")


def check_selection_leakage(test: pd.DataFrame, val: pd.DataFrame, where: object) -> None:
    """Raise StageError if a slide or patient of the test rows was also used to select the epoch or the threshold."""
    for column, name in (("slide_id", "slides"), ("patient_id", "patients")):
        if both := sorted(set(test[column]) & set(val[column])):
            raise StageError(
                f"{name} of the test rows were also used to select the epoch or the threshold",
                where=where,
                got=f"{len(both)}, first {both[0]}",
                do="Split again so that every fold has its own inner validation set.",
            )


def match_fold(test: pd.DataFrame, fold: pd.DataFrame, where: object) -> None:
    """Raise StageError unless the rows are exactly the fold's test slides, with the same patients and labels."""
    expected = fold[fold["role"] == "test"].set_index("slide_id")
    predicted = test.set_index("slide_id")
    if missing := set(expected.index) - set(predicted.index):
        got = describe_missing(missing, predicted.index)
        raise StageError("test slides of the fold have no prediction", where=where, got=f"{len(missing)}: {got}")
    if extra := set(predicted.index) - set(expected.index):
        got = describe_missing(extra, expected.index)
        raise StageError("there are predictions for slides that the fold does not test", where=where, got=got)
    for column in ("patient_id", "label"):
        wrong = expected[column].loc[predicted.index] != predicted[column]
        if wrong.any():
            raise StageError(f"{column} differs from the fold's", where=where, got=f"slide {predicted.index[wrong][0]}")
