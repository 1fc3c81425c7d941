"""Predictions: what the models of a cross-validation said about slides they were, and were not, fitted on.

    fold_<k>/best.ckpt               the checkpoint of the fold
    fold_<k>/preds_val.parquet       rows that chose the epoch and the threshold; role: val
    fold_<k>/preds_test.parquet      rows that were read once, at the end; role: test
    fold_<k>/embeddings.npy          [S, E] float32, one row a slide of embedding_ids.parquet
    fold_<k>/embedding_ids.parquet   slide_id, patient_id, label, role
    fold_<k>/history.json            losses of each epoch
    oof_predictions.parquet          the test rows of all folds
    cv_results.json                  {"classes", "folds", "model", "per_fold", "scheme", "selected"}

Prediction tables have the columns slide_id, patient_id, label (class name), prob_<class> (float64, one a class in class
order, each row sums to 1), fold, role; sorted by fold, then slide_id. `per_fold` is a list with one object a fold:
"fold", "best_epoch", "epochs", "val_loss", "threshold" (chosen on the fold's val rows, or null). "selected" is true
only for a scheme whose test rows also chose something; every number made of it carries that word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.features.npy_header import map_npy
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError

LEADING = ["slide_id", "patient_id", "label"]
TRAILING = ["fold", "role"]
EMBEDDING_COLUMNS = [*LEADING, "role"]
ROLES = ("val", "test")
CV_KEYS = ("classes", "folds", "model", "per_fold", "scheme", "selected")
SUM_TOLERANCE = 1e-4
"""Float32 softmax sums to 1 within about 1e-6; float16 outputs within 1e-3 are not accepted."""


def prob_columns(classes: Sequence[str]) -> list[str]:
    """Names of the probability columns, in class order (never in the order of the alphabet)."""
    return [f"prob_{name}" for name in classes]


def columns(classes: Sequence[str]) -> list[str]:
    """All column names of a prediction table, in order."""
    return [*LEADING, *prob_columns(classes), *TRAILING]


def probabilities(frame: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities [n, C] float64 of the rows of `frame`; column c belongs to ``classes[c]``."""
    return frame[prob_columns(classes)].to_numpy(np.float64)


def label_numbers(frame: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.int64]:
    """Class numbers [n] int64 of the rows of `frame`.

    Raises: ArtifactError: a label is no class.
    """
    if unknown := sorted(set(frame["label"]) - set(classes)):
        raise ArtifactError("a label is no class of the model", expected=list(classes), got=unknown)
    numbers = {name: i for i, name in enumerate(classes)}
    return np.asarray([numbers[name] for name in frame["label"]], np.int64)


def write_predictions(frame: pd.DataFrame, path: Path) -> None:
    """Write a prediction table to the file `path`. The order of the ``prob_`` columns is the order of the classes.

    Raises: ArtifactError: a column is missing or unknown, or the rows break a promise of this page.
    """
    classes = [name.removeprefix("prob_") for name in frame.columns if name.startswith("prob_")]
    _check_rows(frame, classes, where=path)
    kept = frame[columns(classes)].astype(dict.fromkeys(prob_columns(classes), "float64") | {"fold": "int64"})
    write_table(kept.sort_values(["fold", "slide_id"], ignore_index=True), path)


def read_predictions(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    """The rows of a prediction table; columns as `columns` says, in that order.

    Raises: ArtifactError: unreadable, other classes or another class order, or rows that break a promise of this page.
    """
    frame = read_table(path)
    if list(frame.columns) != columns(classes):
        raise ArtifactError("wrong columns", where=path, expected=columns(classes), got=list(frame.columns))
    _check_rows(frame, classes, where=path)
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
        found: dict[str, Any] = json.loads((path / "cv_results.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError("no readable cv_results.json", where=path, got=error) from error
    _check_results(found, where=path)
    return found


def read_oof(path: Path) -> pd.DataFrame:
    """The test rows of all folds below `path`, with the classes of its cv_results.json."""
    return read_predictions(path / "oof_predictions.parquet", read_cv_results(path)["classes"])


def write_embeddings(embeddings: NDArray[np.float32], ids: pd.DataFrame, folder: Path) -> None:
    """Write embeddings [S, E] and the table of their S slides (with `EMBEDDING_COLUMNS`) into a fold's `folder`."""
    if embeddings.ndim != 2 or len(embeddings) != len(ids):
        raise ArtifactError("one embedding a slide", where=folder, expected=len(ids), got=embeddings.shape)
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
        raise ArtifactError("one embedding a slide", where=folder, expected=len(ids), got=embeddings.shape)
    if not np.isfinite(embeddings).all():
        raise ArtifactError("an embedding is not finite", where=folder)
    return embeddings, ids


def check(path: Path) -> None:
    """Read everything below `path` and hold the promises of this page.

    Raises: ArtifactError: a file is missing or damaged, a k-fold slide is not tested exactly once, or the pooled rows
        are not the test rows of the folds.
    """
    results = read_cv_results(path)
    tests = []
    for number in range(results["folds"]):
        tests.append(check_fold(path / f"fold_{number}", number, results["classes"], selected=results["selected"]))
    pooled = read_predictions(path / "oof_predictions.parquet", results["classes"])
    if not pooled.equals(pd.concat(tests, ignore_index=True)):
        raise ArtifactError("oof_predictions.parquet is not the test rows of the folds", where=path)
    if results["scheme"] == "kfold":
        embedded = set(read_embeddings(path / "fold_0")[1]["slide_id"])
        if pooled["slide_id"].duplicated().any() or not embedded <= set(pooled["slide_id"]):
            raise ArtifactError("k-fold test rows do not cover each slide exactly once", where=path)


def check_fold(folder: Path, number: int, classes: Sequence[str], *, selected: bool = False) -> pd.DataFrame:
    """Read every file of one fold's `folder`; returns its test rows.

    Raises: ArtifactError: a file is missing or damaged, a role or fold number is wrong, or a patient of the val rows
        is also tested (which a `selected` scheme does on purpose).
    """
    for name in ("best.ckpt", "history.json"):
        if not (folder / name).is_file():
            raise ArtifactError("a file of the fold is missing", where=folder, expected=name)
    read_embeddings(folder)
    val = read_predictions(folder / "preds_val.parquet", classes)
    test = read_predictions(folder / "preds_test.parquet", classes)
    for frame, role in ((val, "val"), (test, "test")):
        where = folder / f"preds_{role}.parquet"
        if set(frame["role"]) - {role} or set(frame["fold"]) - {number}:
            raise ArtifactError("rows of another role or fold", where=where, expected=f"role {role}, fold {number}")
        if frame["slide_id"].duplicated().any():
            raise ArtifactError("a slide stands in the table twice", where=where)
    shared = sorted(set(val["patient_id"]) & set(test["patient_id"]))
    if shared and not selected:
        raise ArtifactError("a patient is in val and in test", where=folder, got=", ".join(shared[:5]))
    return test


def _check_rows(frame: pd.DataFrame, classes: Sequence[str], where: Path) -> None:
    if len(classes) < 2:
        raise ArtifactError("fewer than two prob_ columns", where=where, got=list(frame.columns))
    if set(frame.columns) != set(columns(classes)):
        raise ArtifactError("wrong columns", where=where, expected=columns(classes), got=list(frame.columns))
    if bad := sorted(set(frame["role"]) - set(ROLES)):
        raise ArtifactError("unknown role", where=where, expected=ROLES, got=bad)
    if unknown := sorted(set(frame["label"]) - set(classes)):
        raise ArtifactError("a label is no class of the model", where=where, expected=list(classes), got=unknown)
    probs = probabilities(frame, classes)
    bad_rows = ~np.isfinite(probs).all(axis=1) | (probs < 0).any(axis=1)
    bad_rows |= np.abs(probs.sum(axis=1) - 1) > SUM_TOLERANCE
    if bad_rows.any():
        slide = frame["slide_id"].iloc[int(np.flatnonzero(bad_rows)[0])]
        raise ArtifactError(
            "probabilities are not finite, not positive or do not sum to 1",
            where=where,
            got=f"{int(bad_rows.sum())} rows, first {slide}",
        )


def _check_results(results: dict[str, Any], where: Path) -> None:
    if missing := [key for key in CV_KEYS if key not in results]:
        raise ArtifactError("cv_results lacks a key", where=where, expected=list(CV_KEYS), got=f"without {missing}")
    if len(results["per_fold"]) != results["folds"]:
        raise ArtifactError("one entry of per_fold a fold", where=where, expected=results["folds"])
    if [entry.get("fold") for entry in results["per_fold"]] != list(range(results["folds"])):
        raise ArtifactError("per_fold is not in fold order", where=where)
