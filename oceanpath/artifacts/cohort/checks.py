"""Checks of the ids of a table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oceanpath.artifacts.cohort.lookalikes import lookalikes, quoted
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.errors import ExperimentError, OceanPathError, shorten_list

FOR_MISSING = frozenset({"na", "n/a", "nan", "none", "null", "<na>", "nat", "#n/a", "?", "-"})
"""Texts that programs write for a missing value; as a patient id they would be one patient with many slides."""
SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+]\d+", re.IGNORECASE)
"""A long number as displayed by a spreadsheet: its last digits are lost."""
LOST = {
    "dates": "a spreadsheet converted them to dates",
    "fractions": "they are stored as fractions, whose last zeros are lost",
    "rounded numbers": "they are stored as numbers that are too long to be exact",
}
"""Type of the cells → why ids cannot be read from them."""


@dataclass(frozen=True)
class LabelCells:
    """The cells from which labels are read."""

    path: Path
    """The table."""
    columns: Mapping[str, list[str]]
    """Key of `[data]`, such as label, → cells of the column that it names."""
    names: Mapping[str, str]
    """Key → name of its column."""
    place: Callable[[list[int]], str]
    """Location of rows in the file."""


class Target(Protocol):
    """How labels are read: a task of `oceanpath.tasks`."""

    def label_columns(self, label: str) -> dict[str, str]:
        """Key of `[data]` → name of a column from which labels are read; `label` is that of `data.label`."""

    def read_labels(self, cells: LabelCells) -> tuple[list[str], list[OceanPathError]]:
        """The labels of the rows of a table, and their problems."""


@dataclass(frozen=True)
class TableQuery:
    """The names of the columns to read from a table, and options for reading it."""

    slide_id: str = "slide_id"
    patient_id: str = "patient_id"
    label: str = "label"
    one_slide_per_patient: bool = False
    target: Target | None = None
    """Reads the labels; None: labels are the text of the cells."""
    distinct_ids: bool = False
    """Whether ids that resemble each other are known to be different."""
    encoding: str = ""
    sheet: str = ""
    columns: tuple[str, ...] = ()
    """Names of further columns to read as they are."""


def slide_problems(table: UserTable, slides: list[str], query: TableQuery) -> list[OceanPathError]:
    """Problems of slide ids: empty, duplicate, or resembling each other."""
    problems: list[OceanPathError] = []
    if empty := [row for row, name in enumerate(slides) if not name]:
        problems.append(ExperimentError("rows without a slide id", where=table.path, got=table.place(empty)))
    counts = Counter(name for name in slides if name)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        rows = [row for row, name in enumerate(slides) if name == twice[0]]
        got = shorten_list([f"{twice[0]} ({table.place(rows)})", *twice[1:]])
        what = f"{len(twice)} slide ids appear more than once in the table"
        problems.append(ExperimentError(what, where=table.path, got=got))
    if not query.distinct_ids:
        problems += _duplicate_problems(table, slides, "slide ids")
    return problems


def patient_problems(table: UserTable, patients: list[str], query: TableQuery) -> list[OceanPathError]:
    """Problems of patient ids: resembling each other, or a text for a missing value."""
    if query.distinct_ids:
        return []
    problems = _duplicate_problems(table, patients, "patient ids")
    if words := [row for row, name in enumerate(patients) if name.casefold() in FOR_MISSING]:
        got = f"{patients[words[0]]!r} in {table.place(words)}"
        do = "Leave the cell empty if the patient is unknown, or set data.distinct_ids = true if this is a patient id."
        what = "a text for a missing value is used as a patient id"
        problems.append(ExperimentError(what, where=table.path, got=got, do=do))
    return problems


def _duplicate_problems(table: UserTable, names: list[str], what: str) -> list[OceanPathError]:
    groups = lookalikes(name for name in names if name)
    if not groups:
        return []
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    listed = [" and ".join(f"{quoted(name)} in {table.place(rows[name], 2)}" for name in group) for group in groups]
    do = "Use one spelling for each id, or set data.distinct_ids = true if all are correct."
    got = f"{len(groups)}: {shorten_list(listed)}"
    return [ExperimentError(f"{what} that resemble each other", where=table.path, got=got, do=do)]


def lost_digits(table: UserTable, at: int, key: str) -> list[OceanPathError]:
    """Ids in which a program has dropped digits or zeros."""
    do = "Store the column as text, and fill it again from the source."
    if why := LOST.get(table.kinds.get(at, "")):
        shown = shorten_list(list(dict.fromkeys(table.column(at))), 3)
        return [ExperimentError(f"ids cannot be read: {why}", where=f"{table.path} {key}", got=shown, do=do)]
    if rows := [row for row, cell in enumerate(table.column(at)) if SCIENTIFIC.fullmatch(cell)]:
        got = f"{table.column(at)[rows[0]]} in {table.place(rows)}"
        what = "ids were rounded by a spreadsheet"
        return [ExperimentError(what, where=f"{table.path} {key}", got=got, do=do)]
    return []
