"""CLAM: a folder of `splits_<k>.csv` with the columns train, val and test, each with a list of slide ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.artifacts.folds import ROLES
from oceanpath.artifacts.split_files.base import SplitFile, SplitRow, missing_columns
from oceanpath.errors import ExperimentError
from oceanpath.folders import list_folder

NAME = re.compile(r"splits_(\d+)\.csv")
FORM = "CLAM splits_<k>.csv"


def read_clam(folder: Path) -> SplitFile:
    """The folds of a folder; `splits_<k>_bool.csv` and `splits_<k>_descriptor.csv` are not read.

    Raises: ExperimentError: there is no such file, or one has other columns.
    """
    found = [match for name in list_folder(folder).files if (match := NAME.fullmatch(name))]
    if not found:
        raise ExperimentError("the folder has no split file", where=folder, expected="splits_0.csv, splits_1.csv, ...")
    tables = [(str(int(match[1])), read_user_table(folder / match[0])) for match in found]
    return SplitFile(folder, FORM, "slide", [row for fold, table in tables for row in read_clam_table(table, fold)])


def read_clam_table(table: UserTable, fold: str = "0") -> list[SplitRow]:
    """The roles of one fold. Raises: ExperimentError: there are no columns train and test."""
    at = {role: table.position(role) for role in ROLES}
    if at["train"] is None or at["test"] is None:
        raise missing_columns(table.path, "columns train, val and test", table.names())
    return [
        SplitRow(fold, slide_id(cell), role)
        for role, column in at.items()
        if column is not None
        for cell in table.column(column)
        if cell
    ]


def write_clam(folds: Sequence[pd.DataFrame], out: Path) -> list[Path]:
    """Write the three files of CLAM per fold into the folder `out`; returns their paths.

    Args:
        folds: One frame per fold, with the columns slide_id, patient_id, label and role.
        out: Folder.
    """
    written = []
    for number, fold in enumerate(folds):
        lists = {role: fold.loc[fold["role"] == role, "slide_id"].tolist() for role in ROLES}
        slides = pd.DataFrame(zip_longest(*lists.values()), columns=list(ROLES))
        flags = pd.DataFrame({role: fold["role"] == role for role in ROLES}).set_axis(fold["slide_id"].tolist())
        counts = pd.crosstab(fold["label"], fold["role"]).reindex(columns=list(ROLES), fill_value=0)
        counts = counts.rename_axis(index=None, columns=None)
        for suffix, table in (("", slides), ("_bool", flags), ("_descriptor", counts)):
            path = out / f"splits_{number}{suffix}.csv"
            table.to_csv(path, lineterminator="\n", encoding="utf-8")
            written.append(path)
    return written
