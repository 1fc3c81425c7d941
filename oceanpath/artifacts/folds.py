"""Folds: training, validation and test sets.

    fold_<k>.parquet   slide_id, patient_id, label (text), role: train | val | test; one row per slide
    splits.json        {"scheme", "seed", "folds", "plan", "slides", "patients", "excluded", "balance", "cohort_flow",
                       "site"} and the keys of the task: {"classes"} for classification
    sites.parquet      where sites are known; see `oceanpath.artifacts.sites`
    balance.csv        fold, role, column, value, patients, slides: how the label, the site and other columns of the
                       label table are spread over the roles of every fold

`cohort_flow` counts the slides from the table to the folds: {"in_table", "with_features", "failed", "failed_slides":
{slide_id: reason}, "blank", "excluded": {reason: count}, "not_in_table", "used"}. `in_table` is the sum of `failed`,
`blank`, `excluded` and `used`; `not_in_table` have features and no row.

`plan` has one object per fold: {"repeat", "ensemble", "name"}. Folds of the same repeat with the same "ensemble" (the
number of its first fold) test the same slides with different models, whose predictions are averaged. "name" states
what is tested, such as a site, or is "".

Where bags are patients (`data.bag`), splits.json has "bag": "patient", tables have one row per patient, whose slide_id
is the patient id, and patient_bags.parquet has the slides; see `oceanpath.artifacts.patient_bags`.

In every fold a slide has one role and a patient has one role. Within a repeat, a slide is tested by one ensemble at
most. Over the folds of a k-fold scheme each slide is tested exactly once; slides without a role have no row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.sites import read_sites
from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError

ROLES = ("train", "val", "test")
COLUMNS = ["slide_id", "patient_id", "label", "role"]
BALANCE = "balance.csv"
BALANCE_COLUMNS = ["fold", "role", "column", "value", "patients", "slides"]
PLAN_KEYS = {"repeat", "ensemble", "name"}


def write_folds(out: Path, folds: Sequence[pd.DataFrame], splits: Mapping[str, Any]) -> None:
    """Write one parquet per fold and splits.json. Each frame has the columns of `COLUMNS`, in any order.

    Without "plan" in `splits`, every fold is an ensemble of its own in one repeat.
    """
    for number, frame in enumerate(folds):
        write_table(frame[COLUMNS].sort_values("slide_id", ignore_index=True), out / f"fold_{number}.parquet")
    plan = [{"repeat": 0, "ensemble": number, "name": ""} for number in range(len(folds))]
    write_json(out / "splits.json", {"plan": plan, **splits, "folds": len(folds)})


def write_balance(out: Path, table: pd.DataFrame) -> None:
    """Write balance.csv below `out`."""
    table[BALANCE_COLUMNS].to_csv(out / BALANCE, index=False, lineterminator="\n", encoding="utf-8")


def read_splits(path: Path) -> dict[str, Any]:
    """The contents of splits.json below `path`.

    Raises: ArtifactError: missing, unreadable, or without one object of "plan" per fold.
    """
    try:
        splits: dict[str, Any] = json.loads((path / "splits.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactError("splits.json is missing or cannot be read", where=path, got=error) from error
    plan = splits.get("plan")
    if not isinstance(plan, list) or len(plan) != splits.get("folds") or any(set(p) != PLAN_KEYS for p in plan):
        expected = f"one object with {', '.join(sorted(PLAN_KEYS))} per fold"
        raise ArtifactError("splits.json has no plan of its folds", where=path, expected=expected)
    return splits


def read_fold(path: Path, number: int) -> pd.DataFrame:
    """Rows of one fold, sorted by slide_id; columns as in `COLUMNS`."""
    frame = read_table(path / f"fold_{number}.parquet")
    if list(frame.columns) != COLUMNS:
        raise ArtifactError("wrong columns", where=path, expected=COLUMNS, got=list(frame.columns))
    return frame


def check(path: Path) -> None:
    """Read every fold below `path` and compare it with the description above.

    Raises: ArtifactError: a patient or slide has two roles, a role is unknown, or test sets overlap.
    """
    splits = read_splits(path)
    tested: dict[tuple[int, int], frozenset[str]] = {}
    for number, entry in enumerate(splits["plan"]):
        frame = read_fold(path, number)
        check_fold(frame, where=f"{path}/fold_{number}.parquet")
        slides = frozenset(frame.loc[frame["role"] == "test", "slide_id"])
        if tested.setdefault((entry["repeat"], entry["ensemble"]), slides) != slides:
            raise ArtifactError("the folds of an ensemble test different slides", where=path, got=f"fold {number}")
    _check_overlap(tested, path)
    read_sites(path)
    if splits["scheme"] == "kfold" and frozenset().union(*tested.values()) != set(read_fold(path, 0)["slide_id"]):
        raise ArtifactError("k-fold test sets do not cover each slide exactly once", where=path)


def _check_overlap(tested: Mapping[tuple[int, int], frozenset[str]], path: Path) -> None:
    """Raise ArtifactError where two ensembles of a repeat test the same slide."""
    owner: dict[tuple[int, str], int] = {}
    for (repeat, ensemble), slides in tested.items():
        for slide in sorted(slides):
            if (other := owner.setdefault((repeat, slide), ensemble)) != ensemble:
                got = f"{slide} in folds {other} and {ensemble}"
                raise ArtifactError("test sets of one repeat overlap", where=path, got=got)


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
