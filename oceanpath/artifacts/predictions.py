"""Predictions of the models of a cross-validation, for training, validation and test slides.

    fold_<k>/best.ckpt               the checkpoint of the fold
    fold_<k>/preds_val.parquet       rows that selected the epoch and the threshold; role: val
    fold_<k>/preds_test.parquet      rows that were predicted once, after the selection; role: test
    fold_<k>/embeddings.npy          [S, E] float32, one row per slide of embedding_ids.parquet
    fold_<k>/embedding_ids.parquet   slide_id, patient_id, label, role
    fold_<k>/history.json            losses of each epoch
    fold_<k>/search.json             only after a search: {"number", "values", "trials"}, the best trial and all of them
    oof_predictions.parquet          the test rows of all folds
    cv_results.json                  {"folds", "model", "per_fold", "scheme", "selected"} and the keys of the task:
                                     {"classes"} for classification

Prediction tables have the columns slide_id, patient_id, label (text), the columns of the task, fold, role; sorted by
fold, then slide_id. For classification the task's columns are prob_<class> (float64, in class order; each row sums to
1). `per_fold` is a list with one object per fold: "fold", "best_epoch", "epochs", "val_loss" and what the task decides
on the fold's val rows: "threshold" (or null). "selected" is true only for a scheme whose test rows also selected
something; every number computed from them is marked "selected".

Where bags are patients (`data.bag`), cv_results.json has "bag": "patient", rows are patients, whose slide_id is the
patient id, and patient_bags.parquet has their slides; see `oceanpath.artifacts.patient_bags`.

Where several models test a slide, cv_results.json also has the "plan" of splits.json (`oceanpath.artifacts.folds`).
With several seeds, each fold of splits.json has one folder per seed: the folds of the second seed follow those of the
first. "plan" and "per_fold" then have the "seed" and the "split_fold" of each, and "seeds" is {"seeds": [seed], score:
{"value", "sd", "by_seed"}}: the mean of each validation score over the seeds, its standard deviation, and its mean over
the folds of each seed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.features.npy_header import map_npy
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.artifacts.tested_slides import read_plan
from oceanpath.errors import ArtifactError, ExperimentError

LEADING = ["slide_id", "patient_id", "label"]
TRAILING = ["fold", "role"]
EMBEDDING_COLUMNS = [*LEADING, "role"]
ROLES = ("val", "test")
CV_KEYS = ("folds", "model", "per_fold", "scheme", "selected")


class PredictedTask(Protocol):
    """What a prediction table depends on: a task of `oceanpath.tasks`."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns of values, in order."""

    def validate_predictions(self, frame: pd.DataFrame, where: object) -> None:
        """Raise ArtifactError unless labels and values are valid."""


def columns(task: PredictedTask) -> list[str]:
    """All column names of a prediction table, in order."""
    return [*LEADING, *task.columns, *TRAILING]


def write_predictions(frame: pd.DataFrame, path: Path, task: PredictedTask) -> None:
    """Write a prediction table to the file `path`.

    Raises: ArtifactError: a column is missing or unknown, or a row is not valid.
    """
    _check_rows(frame, task, where=path)
    kept = frame[columns(task)].astype(dict.fromkeys(task.columns, "float64") | {"fold": "int64"})
    write_table(kept.sort_values(["fold", "slide_id"], ignore_index=True), path)


def read_predictions(path: Path, task: PredictedTask) -> pd.DataFrame:
    """The rows of a prediction table; columns as `columns` says, in that order.

    Raises: ArtifactError: unreadable, other columns or another order of columns, or a row that is not valid.
    """
    frame = read_table(path)
    if list(frame.columns) != columns(task):
        raise ArtifactError("wrong columns", where=path, expected=columns(task), got=list(frame.columns))
    _check_rows(frame, task, where=path)
    return frame


def write_cv_results(results: dict[str, Any], out: Path) -> None:
    """Write cv_results.json below `out`.

    Raises: ArtifactError: a key is missing or a number is not finite.
    """
    _check_results(results, where=out)
    try:
        write_json(out / "cv_results.json", results)
    except ValueError as error:
        raise ArtifactError("cv_results holds a number that is not finite", where=out, got=error) from error


def read_cv_results(path: Path) -> dict[str, Any]:
    """The contents of cv_results.json below `path`.

    Raises: ArtifactError: missing, unreadable or without a key of `CV_KEYS`.
    """
    try:
        results: dict[str, Any] = json.loads((path / "cv_results.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError("no readable cv_results.json", where=path, got=error) from error
    _check_results(results, where=path)
    return results


def read_oof(path: Path, task: PredictedTask) -> pd.DataFrame:
    """The test rows of all folds below `path`. Raises: ExperimentError: there are none, because the test is sealed."""
    frame = read_predictions(path / "oof_predictions.parquet", task)
    if frame.empty:
        do = "Reveal the test with `oceanpath eval --reveal` when all models and the analysis plan are final."
        raise ExperimentError("the test is sealed: no test slide was predicted", where=path, do=do)
    return frame


def write_embeddings(embeddings: NDArray[np.float32], ids: pd.DataFrame, folder: Path) -> None:
    """Write embeddings [S, E] and the table of their S slides (with `EMBEDDING_COLUMNS`) into a fold's `folder`."""
    if embeddings.ndim != 2 or len(embeddings) != len(ids):
        raise ArtifactError(
            "one embedding per slide is required", where=folder, expected=len(ids), got=embeddings.shape
        )
    np.save(folder / "embeddings.npy", np.ascontiguousarray(embeddings, np.float32), allow_pickle=False)
    write_table(ids[EMBEDDING_COLUMNS], folder / "embedding_ids.parquet")


def read_embeddings(folder: Path) -> tuple[NDArray[np.float32], pd.DataFrame]:
    """Embeddings [S, E] float32 of a fold's `folder` and the table of their slides.

    Raises: ArtifactError: unreadable, of different lengths, or not finite.
    """
    ids = read_table(folder / "embedding_ids.parquet")
    try:
        embeddings: NDArray[np.float32] = map_npy(folder / "embeddings.npy")
    except (OSError, ValueError) as error:
        raise ArtifactError("embeddings cannot be read", where=folder, got=error) from error
    if list(ids.columns) != EMBEDDING_COLUMNS:
        raise ArtifactError("wrong columns", where=folder, expected=EMBEDDING_COLUMNS, got=list(ids.columns))
    if embeddings.ndim != 2 or len(embeddings) != len(ids):
        raise ArtifactError(
            "one embedding per slide is required", where=folder, expected=len(ids), got=embeddings.shape
        )
    if not np.isfinite(embeddings).all():
        raise ArtifactError("an embedding is not finite", where=folder)
    return embeddings, ids


def check(path: Path, task: PredictedTask) -> None:
    """Read every file below `path` and compare it with the description above.

    Raises: ArtifactError: a file is missing or damaged, a k-fold slide is not tested exactly once, or the pooled rows
        are not the test rows of the folds.
    """
    results = read_cv_results(path)
    tests = []
    for number in range(results["folds"]):
        tests.append(check_fold(path / f"fold_{number}", number, task, selected=results["selected"]))
    pooled = read_predictions(path / "oof_predictions.parquet", task)
    if not pooled.equals(pd.concat(tests, ignore_index=True)):
        raise ArtifactError("oof_predictions.parquet is not the test rows of the folds", where=path)
    if results["scheme"] == "kfold":
        embedded = set(read_embeddings(path / "fold_0")[1]["slide_id"])
        repeats = pooled["fold"].map(dict(enumerate(read_plan(results).repeats)))
        if pooled.assign(repeat=repeats).duplicated(["slide_id", "repeat"]).any() or not embedded <= set(
            pooled["slide_id"]
        ):
            raise ArtifactError("k-fold test rows do not cover each slide exactly once", where=path)


def check_fold(folder: Path, number: int, task: PredictedTask, *, selected: bool = False) -> pd.DataFrame:
    """Read every file of one fold's `folder`; returns its test rows.

    Raises: ArtifactError: a file is missing or damaged, a role or fold number is wrong, or a patient of the val rows
        is also tested (which a `selected` scheme does on purpose).
    """
    for name in ("best.ckpt", "history.json"):
        if not (folder / name).is_file():
            raise ArtifactError("a file of the fold is missing", where=folder, expected=name)
    read_embeddings(folder)
    val = read_predictions(folder / "preds_val.parquet", task)
    test = read_predictions(folder / "preds_test.parquet", task)
    for frame, role in ((val, "val"), (test, "test")):
        where = folder / f"preds_{role}.parquet"
        if set(frame["role"]) - {role} or set(frame["fold"]) - {number}:
            raise ArtifactError("rows of another role or fold", where=where, expected=f"role {role}, fold {number}")
        if frame["slide_id"].duplicated().any():
            raise ArtifactError("a slide is in the table twice", where=where)
    shared = sorted(set(val["patient_id"]) & set(test["patient_id"]))
    if shared and not selected:
        raise ArtifactError("a patient is in val and in test", where=folder, got=", ".join(shared[:5]))
    return test


def _check_rows(frame: pd.DataFrame, task: PredictedTask, where: Path) -> None:
    if set(frame.columns) != set(columns(task)):
        raise ArtifactError("wrong columns", where=where, expected=columns(task), got=list(frame.columns))
    if bad := sorted(set(frame["role"]) - set(ROLES)):
        raise ArtifactError("unknown role", where=where, expected=ROLES, got=bad)
    task.validate_predictions(frame, where)


def _check_results(results: dict[str, Any], where: Path) -> None:
    if missing := [key for key in CV_KEYS if key not in results]:
        raise ArtifactError("cv_results lacks a key", where=where, expected=list(CV_KEYS), got=f"without {missing}")
    if len(results["per_fold"]) != results["folds"]:
        raise ArtifactError("not one entry of per_fold per fold", where=where, expected=results["folds"])
    if [entry.get("fold") for entry in results["per_fold"]] != list(range(results["folds"])):
        raise ArtifactError("per_fold is not in fold order", where=where)
