"""Reading a split file by its content, and writing one by the name of its format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.artifacts.split_files.base import SplitFile
from oceanpath.artifacts.split_files.clam import FORM, read_clam, read_clam_table, write_clam
from oceanpath.artifacts.split_files.listed import read_listed
from oceanpath.artifacts.split_files.nnmil import read_nnmil
from oceanpath.artifacts.split_files.patho_bench import is_patho_bench, read_patho_bench, write_patho_bench
from oceanpath.errors import ExperimentError

FORMATS = ("clam", "patho-bench")
"""Formats that can be written."""


def read_split_file(path: Path) -> SplitFile:
    """The roles of a split file: a folder of CLAM, a plan of nnMIL, or a table of Patho-Bench or of OceanPath.

    Raises: ExperimentError: it does not exist, or has another format.
    """
    if path.is_dir():
        return read_clam(path)
    if not path.is_file():
        raise ExperimentError("the split file does not exist", where=path, do="Set split.file to a file or folder.")
    if path.suffix.lower() == ".json":
        return read_nnmil(path)
    table = read_user_table(path)
    if is_patho_bench(table):
        return read_patho_bench(table)
    if {"train", "test"} <= set(table.names()):
        return SplitFile(path, FORM, "slide", read_clam_table(table))
    return read_listed(table)


def write_split_files(form: str, folds: Sequence[pd.DataFrame], out: Path, label: str) -> list[Path]:
    """Write folds in one of `FORMATS` into the folder `out`; returns the paths of the files.

    Args:
        form: Name of the format.
        folds: One frame per fold, with the columns slide_id, patient_id, label and role.
        out: Folder.
        label: Name of the column of labels, where the format has one.
    """
    return write_clam(folds, out) if form == "clam" else write_patho_bench(folds, out, label)
