"""Folds: training, validation and test sets.

    fold_<k>.parquet   slide_id, patient_id, label (text), role: train | val | test; one row per slide
    splits.json        {"scheme", "seed", "folds", "slides", "patients", "excluded", "balance", "cohort_flow"} and the
                       keys of the task: {"classes"} for classification

`cohort_flow` counts the slides from the table to the folds: {"in_table", "with_features", "failed", "failed_slides":
{slide_id: reason}, "blank", "excluded": {reason: count}, "not_in_table", "used"}. `in_table` is the sum of `failed`,
`blank`, `excluded` and `used`; `not_in_table` have features and no row.

In every fold a slide has one role and a patient has one role. Over all folds of a k-fold scheme, each slide is tested
exactly once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError

ROLES = ("train", "val", "test")
COLUMNS = ["slide_id", "patient_id", "label", "role"]


def write_folds(out: Path, folds: list[pd.DataFrame], splits: dict[str, Any]) -> None:
    """Write one parquet per fold and splits.json. Each frame has the columns of `COLUMNS`, in any order."""
    for number, frame in enumerate(folds):
        write_table(frame[COLUMNS].sort_values("slide_id", ignore_index=True), out / f"fold_{number}.parquet")
    write_json(out / "splits.json", splits | {"folds": len(folds)})


def read_splits(path: Path) -> dict[str, Any]:
    """The contents of splits.json below `path`."""
    try:
        splits: dict[str, Any] = json.loads((path / "splits.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError("splits.json is missing or cannot be read", where=path, got=error) from error
    return splits


def read_fold(path: Path, number: int) -> pd.DataFrame:
    """Rows of one fold, sorted by slide_id; columns as in `COLUMNS`."""
    frame = read_table(path / f"fold_{number}.parquet")
    if list(frame.columns) != COLUMNS:
        raise ArtifactError("wrong columns", where=path, expected=COLUMNS, got=list(frame.columns))
    return frame


def check(path: Path) -> None:
    """Read every fold below `path` and compare it with the description above.

    Raises: ArtifactError: a patient or slide has two roles, a role is unknown, or a k-fold test set overlaps.
    """
    splits = read_splits(path)
    tested: list[str] = []
    for number in range(splits["folds"]):
        frame = read_fold(path, number)
        check_fold(frame, where=f"{path}/fold_{number}.parquet")
        tested += frame.loc[frame["role"] == "test", "slide_id"].tolist()
    if splits["scheme"] == "kfold" and sorted(tested) != sorted(read_fold(path, 0)["slide_id"]):
        raise ArtifactError("k-fold test sets do not cover each slide exactly once", where=path)


def check_fold(frame: pd.DataFrame, where: str) -> None:
    """Raise ArtifactError unless slides are unique, roles known and patients in one role each."""
    if bad := sorted(set(frame["role"]) - set(ROLES)):
        raise ArtifactError("unknown role", where=where, expected=ROLES, got=bad)
    if frame["slide_id"].duplicated().any():
        raise ArtifactError("a slide appears in the fold twice", where=where)
    roles = frame.groupby("patient_id")["role"].nunique()
    if (roles > 1).any():
        raise ArtifactError(
            "a patient has several roles", where=where, got=", ".join(map(str, roles[roles > 1].index[:5]))
        )
