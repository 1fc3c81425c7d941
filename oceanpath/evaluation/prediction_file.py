"""Predictions of a table that another program wrote, as rows to evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts.cohort.table import ALIASES, CohortTable, TableQuery, read_cohort
from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.artifacts.folds import ROLES
from oceanpath.artifacts.split_files.base import in_fold_order
from oceanpath.errors import ArtifactError, ExperimentError, refuse, shorten_list
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.tasks.base import Task
from oceanpath.tasks.prediction_columns import as_values, find_task, find_values
from oceanpath.tasks.registry import CLASSIFICATION

FOLD, ROLE = "fold", "role"
MORE_ALIASES = {"slide_id": ("id",), "patient_id": (), "label": ("y_true", "true_label", "truth")}
SCHEME = "table"


@dataclass(frozen=True)
class PredictionColumns:
    """How a table of predictions is read."""

    slide_id: str = ""
    """Column with slide ids; "": the usual names are tried."""
    patient_id: str = ""
    label: str = ""
    score: str = ""
    """Column with the probability of the second of two classes; "": one column per class, or the usual names."""
    task: str = CLASSIFICATION
    task_settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of `[data]` that belong to the task."""
    allow_missing: bool = False
    """Whether rows without a label are left out and counted."""
    threshold: float | None = None
    """Threshold that was selected elsewhere; None: no operating point."""


@dataclass(frozen=True)
class PredictionFile:
    """The rows of a table, and how it was read."""

    rows: ReportedRows
    notes: list[str]
    """What a reader should know: columns, rows that were left out."""
    columns: Mapping[str, list[str]]
    """Column of the table → text cells, one per row of `rows`."""


def read_prediction_file(path: Path, wanted: PredictionColumns) -> PredictionFile:
    """The test rows of a table with one row per slide.

    Raises:
        ExperimentError: a column is missing, a slide appears twice, or a cell is not valid.
        ArtifactError: probabilities are not valid.
    """
    table = read_user_table(path)
    names = table.names()
    found = {key: _column(names, key, getattr(wanted, key)) for key in MORE_ALIASES}
    task = find_task(wanted.task, wanted.task_settings, names, path)
    values = find_values(task, names, wanted.score, path)
    query = TableQuery(
        slide_id=found["slide_id"] or "slide_id",
        patient_id=found["patient_id"] or "patient_id",
        label=found["label"] or "label",
        one_slide_per_patient=not found["patient_id"],
        target=task,
        columns=tuple(dict.fromkeys(names)),
    )
    read = read_cohort(path, query)
    refuse(read.problems)
    kept, notes = _kept_rows(read, wanted, path)
    notes = [_described(found, values), *notes]
    if not found["patient_id"]:
        notes.append("no_patients: the table names no patients, so slides are counted as independent")
    frame = _frame(task, read, kept, values, path)
    folds = int(frame["fold"].max()) + 1
    per_fold = [{"fold": k, "threshold": wanted.threshold} for k in range(folds)]
    results = {"scheme": SCHEME, "selected": False, "folds": folds, "per_fold": per_fold, **task.record()}
    rows = ReportedRows(frame, task, task.targets(frame["label"].tolist()), task.values(frame), results, frame)
    cells = {name: [column[row] for row in frame.index] for name, column in read.columns.items()}
    return PredictionFile(replace(rows, frame=frame.reset_index(drop=True)), notes, cells)


def _frame(task: Task, read: CohortTable, kept: list[int], values: list[str], path: Path) -> pd.DataFrame:
    """The kept rows, sorted by fold, then slide; the index is the number of each row in the table."""
    frame = pd.DataFrame({"slide_id": read.slide_ids, "patient_id": read.patients, "label": read.labels}).loc[kept]
    numbers = as_values(task, [[read.columns[name][row] for row in kept] for name in values], path)
    folds = [read.columns[FOLD][row] for row in kept] if FOLD in read.columns else ["0"] * len(kept)
    number_of = {name: number for number, name in enumerate(in_fold_order(folds))}
    frame = frame.assign(**dict(zip(task.columns, numbers.T, strict=True)), role="test")
    frame = frame.assign(fold=[number_of[name] for name in folds]).sort_values(["fold", "slide_id"])
    try:
        task.validate_predictions(frame, path)
    except ArtifactError as error:  # a user's table, not a file of OceanPath
        raise ExperimentError(error.what, where=error.where, expected=error.expected, got=error.got) from error
    return frame


def _column(names: list[str], key: str, given: str) -> str:
    """The column of a key: the given one, the usual name, or an alias; "" if there is none."""
    if given:
        return given
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in (key, *ALIASES[key], *MORE_ALIASES[key]) if name in lower), "")


def _kept_rows(read: CohortTable, wanted: PredictionColumns, path: Path) -> tuple[list[int], list[str]]:
    """Numbers of the test rows with a label. Raises: ExperimentError: there are none, or rows lack a label."""
    roles = read.columns.get(ROLE, [])
    is_listed = bool(roles) and set(roles) <= set(ROLES)
    tested = [row for row in range(len(read.slide_ids)) if not is_listed or roles[row] == "test"]
    notes = [f"{len(roles) - len(tested)} rows of other roles than test are not evaluated"] if is_listed else []
    notes = notes if len(tested) < len(read.slide_ids) else []
    unlabelled = [read.slide_ids[row] for row in tested if not read.labels[row]]
    if unlabelled and not wanted.allow_missing:
        got, do = f"{len(unlabelled)}: {shorten_list(unlabelled)}", "Add the labels, or set --keep-going."
        raise ExperimentError("slides have no label", where=path, got=got, do=do)
    if unlabelled:
        notes.append(f"{len(unlabelled)} slides without a label are left out: {shorten_list(unlabelled)}")
    kept = [row for row in tested if read.labels[row]]
    if not kept:
        raise ExperimentError("the table has no test row with a label", where=path)
    return kept, notes


def _described(found: Mapping[str, str], values: list[str]) -> str:
    named = [f"{key} = {name}" for key, name in found.items() if name]
    return f"columns: {', '.join(named)}, predictions = {', '.join(values)}"
