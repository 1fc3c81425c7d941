"""Patho-Bench: a table with one row per slide and the columns fold_0, fold_1, ..., which hold train, val or test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.split_files.base import SplitFile, SplitRow, missing_columns, read_role

COLUMN = re.compile(r"fold_(\d+)")
FORM = "Patho-Bench fold_<k> columns"
FILE = "k=all.tsv"


def is_patho_bench(table: UserTable) -> bool:
    """Whether a table has columns of folds."""
    return any(COLUMN.fullmatch(name) for name in table.names())


def read_patho_bench(table: UserTable) -> SplitFile:
    """The folds of a table; a slide with an empty cell has no role in that fold.

    Raises: ExperimentError: there is no column of ids, or a cell names no role.
    """
    names = table.names()
    has_slides = "slide_id" in names
    at = table.position("slide_id" if has_slides else "case_id")
    if at is None:
        raise missing_columns(table.path, "slide_id or case_id, and fold_0, fold_1, ...", names)
    ids = table.column(at)
    ids = [slide_id(cell) for cell in ids] if has_slides else ids
    rows = []
    for name in names:
        if not (match := COLUMN.fullmatch(name)):
            continue
        position = table.position(name)
        assert position is not None, "the name is one of the table's"
        for row, cell in enumerate(table.column(position)):
            if role := read_role(cell, f"{table.path} {table.place([row])}"):
                rows.append(SplitRow(str(int(match[1])), ids[row], role))
    return SplitFile(table.path, FORM, "slide" if has_slides else "patient", rows)


def write_patho_bench(folds: Sequence[pd.DataFrame], out: Path, label: str) -> list[Path]:
    """Write the table of Patho-Bench into the folder `out`; returns its path.

    Args:
        folds: One frame per fold, with the columns slide_id, patient_id, label and role.
        out: Folder.
        label: Name of the column of labels.
    """
    every = pd.concat([fold[["slide_id", "patient_id", "label"]] for fold in folds])
    table = every.drop_duplicates("slide_id").sort_values("slide_id", ignore_index=True)
    table = table.rename(columns={"patient_id": "case_id", "label": label})[["case_id", "slide_id", label]]
    for number, fold in enumerate(folds):
        table[f"fold_{number}"] = table["slide_id"].map(fold.set_index("slide_id")["role"])
    table.to_csv(out / FILE, sep="\t", index=False, lineterminator="\n", encoding="utf-8")
    return [out / FILE]
