"""The label table of a cohort: the slides, their patients and their classes.

Whatever can be wrong with the table alone is found at once: columns that are missing or exist twice, ids that are
empty, were numbers, or resemble each other, slides that appear twice, labels that are no class.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from oceanpath.artifacts.ids import normal, slide_id
from oceanpath.artifacts.lookalikes import alike, spelled, twins
from oceanpath.artifacts.user_tables import UserTable, read_user_table
from oceanpath.errors import ExperimentError, OceanPathError, collected, nearest, refuse

ALIASES = {
    "slide_id": ("slide", "slide_path", "filename", "image_id", "wsi", "sample_id"),
    "patient_id": ("case_id", "patient", "case", "submitter_id", "participant_id", "subject_id"),
    "label": ("target", "category", "class", "response", "diagnosis", "ground_truth"),
}
SHOWN = 5
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


@dataclass(frozen=True)
class Question:
    """What a table is asked for: the names of its columns, and how it is read."""

    slide_id: str = "slide_id"
    patient_id: str = "patient_id"
    label: str = "label"
    one_slide_per_patient: bool = False
    classes: tuple[str, ...] = ()
    distinct_ids: bool = False
    """Whether ids that resemble each other are known to be different."""
    encoding: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class CohortTable:
    """The rows of a table; equally long lists, "" where a cell is empty."""

    slide_ids: list[str]
    patients: list[str]
    labels: list[str]
    """Names of classes where the label is one."""
    places: list[str]
    """Where each row is in the file."""
    notes: list[str]
    """What a reader of the table should know."""
    absent: frozenset[str] = frozenset()
    """Keys of the question of which the table has no column, so that all cells are empty."""
    problems: Sequence[OceanPathError] = ()
    """All that is wrong with it."""


def read_slide_ids(path: Path, question: Question) -> list[str]:
    """The ids of the slides of a table, in its order; "" where a cell is empty.

    Raises: ExperimentError: the table cannot be read, or has no such column.
    """
    table, problems = read_user_table(path, question.encoding, question.sheet), list[OceanPathError]()
    at = _positions(table, {"slide_id": question.slide_id}, problems)
    refuse(problems)
    return [slide_id(cell) for cell in table.column(at["slide_id"])]


def read_cohort(path: Path, question: Question) -> CohortTable:
    """Read and check a table.

    Raises: ExperimentError: it cannot be read, or has no column of slides; any other problem is in `problems`.
    """
    table, problems = read_user_table(path, question.encoding, question.sheet), list[OceanPathError]()
    wanted = {"slide_id": question.slide_id, "label": question.label, "patient_id": question.patient_id}
    if question.one_slide_per_patient:
        del wanted["patient_id"]
    at = _positions(table, wanted, problems)
    if "slide_id" not in at:
        refuse(problems)
    slides = [slide_id(cell) for cell in table.column(at["slide_id"])]
    problems += _slide_problems(table, slides, question)
    patients = slides if question.one_slide_per_patient else [""] * len(slides)
    if "patient_id" in at:
        patients = table.column(at["patient_id"])
        problems += _patient_problems(table, patients, question)
    labels = [""] * len(slides)
    if "label" in at:
        labels = [as_class(cell, question.classes) for cell in table.column(at["label"])]
        problems += _label_problems(table, labels, question)
    for key in at.keys() - {"label"}:
        problems += _lost(table, at[key], f"data.{key}")
    places = [table.place([row]) for row in range(len(slides))]
    return CohortTable(slides, patients, labels, places, _notes(table, at), frozenset(wanted.keys() - at), problems)


def as_class(label: str, classes: Sequence[str]) -> str:
    """The class that a label names: itself, or the class that is the same number (``1.0`` is ``1``)."""
    if not label or label in classes:
        return label
    same = [name for name in classes if (number := _number(name)) is not None and number == _number(label)]
    return same[0] if len(same) == 1 else label


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else None


def _positions(table: UserTable, wanted: dict[str, str], problems: list[OceanPathError]) -> dict[str, int]:
    """Key → position of its column; columns that are missing, or there twice, are added to `problems`."""
    found = dict[str, int]()
    for key, column in wanted.items():
        with collected(problems):
            at = table.position(column)
            if at is None:
                raise _no_column(key, column, table)
            found[key] = at
    return found


def _no_column(key: str, column: str, table: UserTable) -> ExperimentError:
    """A missing column, with the one that is probably meant; it is offered, never taken."""
    names = table.names()
    lower = {name.lower(): name for name in names}
    likely = [lower[name] for name in (column.lower(), key, *ALIASES[key]) if name in lower] or nearest(column, names)
    do = f'Set data.{key} = "{likely[0]}".' if likely else f"Set data.{key} to the right one."
    if key == "patient_id":
        do += " If every slide is another patient, say so: data.one_slide_per_patient = true."
    do = f"It has {', '.join(names)}. {do}"
    return ExperimentError(f"no column '{column}' for data.{key}", where=table.path, do=do)


def _slide_problems(table: UserTable, slides: list[str], question: Question) -> list[OceanPathError]:
    problems: list[OceanPathError] = []
    if empty := [row for row, name in enumerate(slides) if not name]:
        problems.append(ExperimentError("rows without a slide id", where=table.path, got=table.place(empty)))
    counts = Counter(name for name in slides if name)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        rows = [row for row, name in enumerate(slides) if name == twice[0]]
        got = _some([f"{twice[0]} ({table.place(rows)})", *twice[1:]])
        what = f"{len(twice)} slide ids appear more than once in the table"
        problems.append(ExperimentError(what, where=table.path, got=got))
    if not question.distinct_ids:
        problems += _twin_problems(table, slides, "slide ids")
    return problems


def _patient_problems(table: UserTable, patients: list[str], question: Question) -> list[OceanPathError]:
    if question.distinct_ids:
        return []
    problems = _twin_problems(table, patients, "patient ids")
    if words := [row for row, name in enumerate(patients) if name.casefold() in FOR_MISSING]:
        got = f"{patients[words[0]]!r} in {table.place(words)}"
        do = (
            "Leave the cell empty where the patient is not known, or set data.distinct_ids = true if this is a patient."
        )
        problems.append(ExperimentError("a word for a missing value is a patient", where=table.path, got=got, do=do))
    return problems


def _twin_problems(table: UserTable, names: list[str], what: str) -> list[OceanPathError]:
    groups = twins(name for name in names if name)
    if not groups:
        return []
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    listed = [" and ".join(f"{spelled(name)} in {table.place(rows[name], 2)}" for name in group) for group in groups]
    do = "Write each of them in one way, or set data.distinct_ids = true if they are all correct."
    got = f"{len(groups)}: {_some(listed)}"
    return [ExperimentError(f"{what} that resemble each other", where=table.path, got=got, do=do)]


def _label_problems(table: UserTable, labels: list[str], question: Question) -> list[OceanPathError]:
    counts = Counter(label for label in labels if label)
    said = _some([f"{name} ({count})" for name, count in sorted(counts.items())], 12)
    if not question.classes:
        do = f"Set data.classes, in order, for example classes = [{', '.join(repr(n) for n in sorted(counts)[:6])}]."
        return [ExperimentError("the classes and their order are not stated", where="[data] classes", do=do)]
    where, problems = f"{table.path} column {question.label}", list[OceanPathError]()
    others = sorted(counts.keys() - set(question.classes))
    meant = {name: close for name in others if (close := alike(name, question.classes))}
    if absent := [name for name in question.classes if name not in counts]:
        offers = {name: alike(name, others) or nearest(name, others) for name in absent}
        do = " ".join(f"Did you mean '{names[0]}' for '{name}'?" for name, names in offers.items() if names)
        problems.append(
            ExperimentError("a class has no slide", where=where, expected=", ".join(absent), got=said, do=do)
        )
    if typed := {name: close for name, close in meant.items() if close[0] in counts}:
        got = _some([f"{spelled(name)} ({counts[name]}) beside {spelled(close[0])}" for name, close in typed.items()])
        problems.append(ExperimentError("labels look like a class and are none", where=where, got=got))
    return problems


def _lost(table: UserTable, at: int, key: str) -> list[OceanPathError]:
    """Ids from which a program has taken digits or zeros."""
    do = "Store the column as text and write it again from the source."
    if why := LOST.get(table.kinds.get(at, "")):
        shown = _some(list(dict.fromkeys(table.column(at))), 3)
        return [ExperimentError(f"ids cannot be read: {why}", where=f"{table.path} {key}", got=shown, do=do)]
    if rows := [row for row, cell in enumerate(table.column(at)) if SCIENTIFIC.fullmatch(cell)]:
        got = f"{table.column(at)[rows[0]]} in {table.place(rows)}"
        what = "a spreadsheet has rounded ids"
        return [ExperimentError(what, where=f"{table.path} {key}", got=got, do=do)]
    return []


def _notes(table: UserTable, at: dict[str, int]) -> list[str]:
    notes = [f"{table.path.name}: {table.how}"] if table.how else []
    for key in ("slide_id", "patient_id"):
        if key in at and table.kinds.get(at[key]) == "numbers":
            column = normal(table.columns[at[key]])
            notes.append(f"{table.path.name}: {column} is stored as numbers; zeros before them, if any, are lost")
    return notes


def _some(texts: Iterable[str], shown: int = SHOWN) -> str:
    listed = list(texts)
    return ", ".join(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")
