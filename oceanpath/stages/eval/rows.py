"""The rows that may be reported, and the refusal of all others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.errors import StageError


@dataclass(frozen=True)
class ReportedRows:
    """The pooled test rows: one row a slide, in the order of the file (fold, then slide_id)."""

    frame: pd.DataFrame
    """Columns as in `oceanpath.artifacts.predictions`."""
    classes: list[str]
    labels: NDArray[np.int64]
    probs: NDArray[np.float64]
    """[n, C]."""
    results: dict[str, Any]
    """cv_results.json."""

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
        """Whether these rows also chose something, because the scheme was asked to."""
        return bool(self.results["selected"])

    @property
    def thresholds(self) -> list[float | None]:
        """Each fold's own threshold, chosen on its inner validation."""
        return [entry.get("threshold") for entry in self.results["per_fold"]]


def read_rows(train: Path, split: Path) -> ReportedRows:
    """The test rows that `train` published, after every cross-check with the folds and the val rows.

    Raises:
        StageError: a row is no test row, a slide is tested twice, rows chose something that is judged on them, or rows
            and folds do not match.
    """
    results = predictions.read_cv_results(train)
    classes = [str(name) for name in results["classes"]]
    frame = predictions.read_predictions(train / "oof_predictions.parquet", classes)
    refuse_other_roles(frame, where=train)
    check_duplicates(frame, where=train)
    for number in range(results["folds"]):
        test = frame[frame["fold"] == number]
        val = predictions.read_predictions(train / f"fold_{number}/preds_val.parquet", classes)
        if not results["selected"]:
            check_selection_leakage(test, val, where=f"fold {number}")
        match_fold(test, folds.read_fold(split, number), where=f"fold {number}")
    return ReportedRows(
        frame, classes, predictions.label_numbers(frame, classes), predictions.probabilities(frame, classes), results
    )


def refuse_other_roles(frame: pd.DataFrame, where: object) -> None:
    """Raise StageError unless every row has the role test, and there is one."""
    if frame.empty:
        raise StageError("there are no test rows", where=where)
    if others := sorted(set(frame["role"]) - {"test"}):
        raise StageError("only test rows are reported", where=where, expected="role test", got=", ".join(others))


def check_duplicates(frame: pd.DataFrame, where: object) -> None:
    """Raise StageError when a slide is tested twice: it would count as two."""
    twice = sorted(frame.loc[frame["slide_id"].duplicated(), "slide_id"])
    if twice:
        raise StageError("slides are tested more than once", where=where, got=f"{len(twice)}, first {twice[0]}")


def check_selection_leakage(test: pd.DataFrame, val: pd.DataFrame, where: object) -> None:
    """Raise StageError when a slide or patient of the test rows is among the rows that chose epoch and threshold."""
    for column, name in (("slide_id", "slides"), ("patient_id", "patients")):
        if both := sorted(set(test[column]) & set(val[column])):
            raise StageError(
                f"{name} of the test rows also chose the epoch or the threshold",
                where=where,
                got=f"{len(both)}, first {both[0]}",
                do="Split again so that every fold has an inner validation of its own.",
            )


def match_fold(test: pd.DataFrame, fold: pd.DataFrame, where: object) -> None:
    """Raise StageError unless the rows are exactly the fold's test slides, with the same patients and labels."""
    wanted = fold[fold["role"] == "test"].set_index("slide_id")
    there = test.set_index("slide_id")
    if missing := set(wanted.index) - set(there.index):
        got = describe_missing(missing, there.index)
        raise StageError("test slides of the fold have no prediction", where=where, got=f"{len(missing)}: {got}")
    if extra := set(there.index) - set(wanted.index):
        got = describe_missing(extra, wanted.index)
        raise StageError("predictions of slides that the fold does not test", where=where, got=got)
    for column in ("patient_id", "label"):
        wrong = wanted[column].loc[there.index] != there[column]
        if wrong.any():
            raise StageError(f"{column} differs from the fold's", where=where, got=f"slide {there.index[wrong][0]}")
