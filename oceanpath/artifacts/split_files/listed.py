"""The format of OceanPath: a table of slides or patients with the columns fold and role, and perhaps repeat."""

from __future__ import annotations

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.split_files.base import SplitFile, SplitRow, missing_columns, read_role

SLIDES = ("slide_id", "slide")
PATIENTS = ("patient_id", "patient", "case_id")
EXPECTED = (
    "fold and role with slide_id or patient_id; or fold_0, fold_1, ... with slide_id or case_id (Patho-Bench); "
    "or train, val and test (CLAM)"
)
FORM = "columns fold and role"


def read_listed(table: UserTable) -> SplitFile:
    """The folds of a table with one row per slide (or patient) and fold.

    Raises: ExperimentError: a column is missing, or a cell names no role.
    """
    names = table.names()
    units = [name for name in (*SLIDES, *PATIENTS) if name in names]
    if not units or "fold" not in names or "role" not in names:
        raise missing_columns(table.path, EXPECTED, names)
    ids, folds, roles = (_column(table, name) for name in (units[0], "fold", "role"))
    repeats = _column(table, "repeat") if "repeat" in names else [""] * len(ids)
    is_slide = units[0] in SLIDES
    rows = []
    for number, name in enumerate(ids):
        if role := read_role(roles[number], f"{table.path} {table.place([number])}"):
            rows.append(SplitRow(folds[number], slide_id(name) if is_slide else name, role, repeats[number]))
    return SplitFile(table.path, FORM, "slide" if is_slide else "patient", rows)


def _column(table: UserTable, name: str) -> list[str]:
    at = table.position(name)
    assert at is not None, "the name is one of the table's"
    return table.column(at)
