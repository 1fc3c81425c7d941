"""The sites of a cohort, with two cross-validations of the same number of folds to compare with each other.

    sites.parquet   slide_id, patient_id, label (text), site (text), grouped_fold, preserved_fold (integers)

`grouped_fold` is the test fold of each slide in a k-fold cross-validation that keeps patients together; in that of
`preserved_fold` all patients of a site are in the same fold. The key "site" of splits.json is null where the cohort
has no sites, otherwise {"folds", "reason"}: the number of folds, or 0 and why the file does not exist.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from oceanpath.artifacts.tables import read_table, write_table
from oceanpath.errors import ArtifactError

FILE = "sites.parquet"
COLUMNS = ["slide_id", "patient_id", "label", "site", "grouped_fold", "preserved_fold"]


def write_sites(table: pd.DataFrame, out: Path) -> None:
    """Write sites.parquet below `out`, sorted by slide."""
    write_table(table[COLUMNS].sort_values("slide_id", ignore_index=True), out / FILE)


def read_sites(path: Path) -> pd.DataFrame | None:
    """The rows of sites.parquet below `path`; None if it does not exist.

    Raises: ArtifactError: it is damaged, or a patient or a site is in several folds.
    """
    if not (path / FILE).is_file():
        return None
    table = read_table(path / FILE)
    if list(table.columns) != COLUMNS:
        raise ArtifactError("wrong columns", where=path / FILE, expected=COLUMNS, got=list(table.columns))
    for unit, column, folds in (
        ("patient", "patient_id", "grouped_fold"),
        ("site", "site", "preserved_fold"),
        ("patient", "patient_id", "preserved_fold"),
    ):
        if (table.groupby(column)[folds].nunique() > 1).any():
            raise ArtifactError(f"a {unit} is in several folds", where=path / FILE, got=folds)
    return table
