"""The label table of a cohort: slides, their patients and their labels.

All problems of the table are reported at once: missing and duplicate columns, ids that are empty, were converted to
numbers or resemble each other, duplicate slides, and labels that are not a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.artifacts.cohort.checks import LabelCells, lost_digits, patient_problems, slide_problems
from oceanpath.artifacts.cohort.checks import TableQuery as TableQuery
from oceanpath.artifacts.cohort.ids import normal, slide_id
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.errors import ExperimentError, OceanPathError, collected, nearest, refuse

ALIASES = {
    "slide_id": ("slide", "slide_path", "filename", "image_id", "wsi", "sample_id", "slide_name", "image", "wsi_id"),
    "patient_id": ("case_id", "patient", "case", "submitter_id", "participant_id", "subject_id", "case_submitter_id"),
    "label": ("target", "category", "class", "response", "diagnosis", "ground_truth"),
    "time": ("survival_months", "os_months", "os_time", "survival_time", "futime", "duration", "months"),
    "event": ("censorship", "status", "os_status", "os_event", "vital_status", "event_observed", "death"),
}


@dataclass(frozen=True)
class CohortTable:
    """The rows of a table; equally long lists, "" where a cell is empty."""

    slide_ids: list[str]
    patients: list[str]
    labels: list[str]
    """As `TableQuery.target` reads them."""
    places: list[str]
    """Position of each row in the file."""
    notes: list[str]
    """Notes on how the table was read."""
    absent: frozenset[str] = frozenset()
    """Keys of the query without a column in the table; their cells are empty."""
    problems: Sequence[OceanPathError] = ()
    """Problems of the table."""
    columns: Mapping[str, list[str]] = field(default_factory=dict)
    """`TableQuery.columns` → their cells."""


def read_slide_ids(path: Path, query: TableQuery) -> list[str]:
    """The ids of the slides of a table, in its order; "" where a cell is empty.

    Raises: ExperimentError: the table cannot be read, or has no such column.
    """
    table, problems = read_user_table(path, query.encoding, query.sheet), list[OceanPathError]()
    at = _positions(table, {"slide_id": query.slide_id}, problems)
    refuse(problems)
    return [slide_id(cell) for cell in table.column(at["slide_id"])]


def read_cohort(path: Path, query: TableQuery) -> CohortTable:
    """Read and check a table.

    Raises: ExperimentError: it cannot be read, or has no column of slides; any other problem is in `problems`.
    """
    table, problems = read_user_table(path, query.encoding, query.sheet), list[OceanPathError]()
    target = {"label": query.label} if query.target is None else query.target.label_columns(query.label)
    wanted = {"slide_id": query.slide_id, **target, "patient_id": query.patient_id}
    if query.one_slide_per_patient:
        del wanted["patient_id"]
    if not query.label:
        del wanted["label"]
    at = _positions(table, wanted, problems)
    if "slide_id" not in at:
        refuse(problems)
    slides = [slide_id(cell) for cell in table.column(at["slide_id"])]
    problems += slide_problems(table, slides, query)
    patients = slides if query.one_slide_per_patient else [""] * len(slides)
    if "patient_id" in at:
        patients = table.column(at["patient_id"])
        problems += patient_problems(table, patients, query)
    labels = _labels(table, target, at, query, problems)
    problems += [lost for key in at if key not in target for lost in lost_digits(table, at[key], f"data.{key}")]
    further = _further_columns(table, query.columns, problems)
    places = [table.place([row]) for row in range(len(slides))]
    absent = frozenset(wanted.keys() - at.keys()) | ({"label"} if target.keys() - at.keys() else set())
    return CohortTable(slides, patients, labels, places, _notes(table, at), absent, problems, further)


def _labels(
    table: UserTable,
    target: Mapping[str, str],
    at: Mapping[str, int],
    query: TableQuery,
    problems: list[OceanPathError],
) -> list[str]:
    """The labels of all rows; their problems are added to `problems`. Without their columns all are empty."""
    if target.keys() - at.keys():
        return [""] * len(table.rows)
    columns = {key: table.column(at[key]) for key in target}
    if query.target is None:
        return columns["label"]
    labels, found = query.target.read_labels(LabelCells(table.path, columns, target, table.place))
    problems += found
    return labels


def _further_columns(table: UserTable, names: Sequence[str], problems: list[OceanPathError]) -> dict[str, list[str]]:
    """Name → cells; missing and duplicate columns are added to `problems`."""
    columns = dict[str, list[str]]()
    for name in names:
        with collected(problems):
            at = table.position(name)
            if at is None:
                known = table.names()
                do = f"Did you mean '{close[0]}'?" if (close := nearest(name, known)) else ""
                raise ExperimentError(f"no column '{name}'", where=table.path, expected=", ".join(known), do=do)
            columns[name] = table.column(at)
    return columns


def _positions(table: UserTable, wanted: dict[str, str], problems: list[OceanPathError]) -> dict[str, int]:
    """Key → position of its column; missing and duplicate columns are added to `problems`."""
    positions = dict[str, int]()
    for key, column in wanted.items():
        with collected(problems):
            at = table.position(column)
            if at is None:
                raise _no_column(key, column, table)
            positions[key] = at
    return positions


def _no_column(key: str, column: str, table: UserTable) -> ExperimentError:
    """The error for a missing column; it suggests the most likely one, which is never used without being named."""
    names = table.names()
    lower = {name.lower(): name for name in names}
    likely = [lower[name] for name in (column.lower(), key, *ALIASES.get(key, ())) if name in lower] or nearest(
        column, names
    )
    do = f'Set data.{key} = "{likely[0]}".' if likely else f"Set data.{key} to one of them."
    if key == "patient_id":
        do += " If every slide is from another patient, set data.one_slide_per_patient = true."
    return ExperimentError(f"no column '{column}' for data.{key}", where=table.path, got=", ".join(names), do=do)


def _notes(table: UserTable, at: dict[str, int]) -> list[str]:
    notes = [f"{table.path.name}: {table.how}"] if table.how else []
    for key in ("slide_id", "patient_id"):
        if key in at and table.kinds.get(at[key]) == "numbers":
            column = normal(table.columns[at[key]])
            notes.append(f"{table.path.name}: {column} is stored as numbers; leading zeros, if any, are lost")
    return notes
