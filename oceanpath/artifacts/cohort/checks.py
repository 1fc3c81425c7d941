"""What can be wrong with the ids of a table."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Protocol

from oceanpath.artifacts.cohort.lookalikes import lookalikes, spelled
from oceanpath.artifacts.cohort.user_tables import UserTable
from oceanpath.errors import ExperimentError, OceanPathError, shorten_list

FOR_MISSING = frozenset({"na", "n/a", "nan", "none", "null", "<na>", "nat", "#n/a", "?", "-"})
"""Words that programs write for a missing value; as a patient they would be one patient of many slides."""
SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E[+]\d+", re.IGNORECASE)
"""What a spreadsheet makes of a long number: its last digits are lost."""
LOST = {
    "dates": "a spreadsheet made dates of them",
    "fractions": "they are stored as fractions, whose last zeros are lost",
    "rounded numbers": "they are stored as numbers too long to be exact",
}
"""Kind of cells → why ids cannot be read from them."""


class Target(Protocol):
    """How the cells of the label column are read: a task of `oceanpath.tasks`."""

    def read_label(self, cell: str) -> str:
        """The label that a cell means."""

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        """All that is wrong with the labels of a table."""


@dataclass(frozen=True)
class TableQuery:
    """What a table is asked for: the names of its columns, and how it is read."""

    slide_id: str = "slide_id"
    patient_id: str = "patient_id"
    label: str = "label"
    one_slide_per_patient: bool = False
    target: Target | None = None
    """How labels are read; None = as they are."""
    distinct_ids: bool = False
    """Whether ids that resemble each other are known to be different."""
    encoding: str = ""
    sheet: str = ""
    columns: tuple[str, ...] = ()
    """Names of further columns to read as they are."""


def slide_problems(table: UserTable, slides: list[str], question: TableQuery) -> list[OceanPathError]:
    """Ids that are empty, appear twice, or resemble each other."""
    problems: list[OceanPathError] = []
    if empty := [row for row, name in enumerate(slides) if not name]:
        problems.append(ExperimentError("rows without a slide id", where=table.path, got=table.place(empty)))
    counts = Counter(name for name in slides if name)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        rows = [row for row, name in enumerate(slides) if name == twice[0]]
        got = shorten_list([f"{twice[0]} ({table.place(rows)})", *twice[1:]])
        what = f"{len(twice)} slide ids appear more than once in the table"
        problems.append(ExperimentError(what, where=table.path, got=got))
    if not question.distinct_ids:
        problems += _duplicate_problems(table, slides, "slide ids")
    return problems


def patient_problems(table: UserTable, patients: list[str], question: TableQuery) -> list[OceanPathError]:
    """Ids that resemble each other, or are a word for a missing value."""
    if question.distinct_ids:
        return []
    problems = _duplicate_problems(table, patients, "patient ids")
    if words := [row for row, name in enumerate(patients) if name.casefold() in FOR_MISSING]:
        got = f"{patients[words[0]]!r} in {table.place(words)}"
        do = (
            "Leave the cell empty where the patient is not known, or set data.distinct_ids = true if this is a patient."
        )
        problems.append(ExperimentError("a word for a missing value is a patient", where=table.path, got=got, do=do))
    return problems


def _duplicate_problems(table: UserTable, names: list[str], what: str) -> list[OceanPathError]:
    groups = lookalikes(name for name in names if name)
    if not groups:
        return []
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    listed = [" and ".join(f"{spelled(name)} in {table.place(rows[name], 2)}" for name in group) for group in groups]
    do = "Write each of them in one way, or set data.distinct_ids = true if they are all correct."
    got = f"{len(groups)}: {shorten_list(listed)}"
    return [ExperimentError(f"{what} that resemble each other", where=table.path, got=got, do=do)]


def lost_digits(table: UserTable, at: int, key: str) -> list[OceanPathError]:
    """Ids from which a program has taken digits or zeros."""
    do = "Store the column as text and write it again from the source."
    if why := LOST.get(table.kinds.get(at, "")):
        shown = shorten_list(list(dict.fromkeys(table.column(at))), 3)
        return [ExperimentError(f"ids cannot be read: {why}", where=f"{table.path} {key}", got=shown, do=do)]
    if rows := [row for row, cell in enumerate(table.column(at)) if SCIENTIFIC.fullmatch(cell)]:
        got = f"{table.column(at)[rows[0]]} in {table.place(rows)}"
        what = "a spreadsheet has rounded ids"
        return [ExperimentError(what, where=f"{table.path} {key}", got=got, do=do)]
    return []
