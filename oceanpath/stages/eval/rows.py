"""The rows that may be reported; all others are rejected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.tested_slides import average_ensembles, read_plan
from oceanpath.errors import StageError
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.patients import SLIDE_MEAN
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Targets
from oceanpath.tasks.registry import read_task


def read_rows(train: Path, split: Path, aggregation: str = SLIDE_MEAN) -> ReportedRows:
    """The test rows that `train` published, after every cross-check with the folds and the val rows.

    `aggregation`: how the slides of a patient are combined.

    Raises:
        ExperimentError: this is not defined for the task.
        StageError: a row is not a test row, a slide is tested twice, a test row was also used for selection, or rows
            and folds do not match.
    """
    results = predictions.read_cv_results(train)
    task = read_task(results, train)
    frame = predictions.read_predictions(train / "oof_predictions.parquet", task)
    refuse_other_roles(frame, where=train)
    check_duplicates(frame, "fold", where=train)
    rows = average_ensembles(frame, read_plan(results), task.columns)
    targets, values = task.targets(rows["label"].tolist()), task.values(rows)
    reported = ReportedRows(rows, task, targets, values, results, frame, aggregation)
    check_duplicates(rows.assign(repeat=reported.repeats), "repeat", where=train)
    fitted = list[Targets]()
    for number in range(results["folds"]):
        test = frame[frame["fold"] == number]
        val = read_val(train, number, task)
        if not results["selected"]:
            check_selection_leakage(test, val, where=f"fold {number}")
        fold = folds.read_fold(split, reported.plan.split_folds[number])
        match_fold(test, fold, where=f"fold {number}")
        fitted.append(task.targets(fold.loc[fold["role"] == "train", "label"].tolist()))
    return replace(reported, task=task.with_training(fitted))


def read_val(train: Path, number: int, task: Task) -> pd.DataFrame:
    """The inner validation rows of a fold."""
    return predictions.read_predictions(train / f"fold_{number}/preds_val.parquet", task)


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
