"""The columns of a label table by their usual names, and by their contents."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from oceanpath.artifacts.cohort.id_match import likely_pattern, match
from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.cohort.table import ALIASES
from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.errors import ExperimentError, nearest

SITES = ("site", "hospital", "center", "centre", "institution", "institute", "tissue_source_site", "tss", "source_site")


def named_column(table: UserTable, name: str, flag: str) -> str:
    """`name`, if the table has this column once. Raises: ExperimentError: it does not."""
    if table.position(name) is None:
        close = nearest(name, table.names())
        do = f"Did you mean '{close[0]}'?" if close else ""
        raise ExperimentError(f"no column '{name}'", where=f"{table.path} {flag}", got=_listed(table), do=do)
    return name


def find_column(table: UserTable, key: str) -> str:
    """The column with the first of the usual names of `slide_id`, `patient_id` or `site`; "" if there is none."""
    by_name = {_plain(name): name for name in reversed(table.names())}
    usual = SITES if key == "site" else (key, *ALIASES[key])
    return next((by_name[_plain(name)] for name in usual if _plain(name) in by_name), "")


def column_of_slides(table: UserTable, known: Collection[str]) -> str:
    """The column with slide ids: the one with a usual name, otherwise the one that names most of the known slides.

    Raises: ExperimentError: there is none.
    """
    if usual := find_column(table, "slide_id"):
        return usual
    counts = {name: len({slide_id(cell) for cell in cells(table, name)} & set(known)) for name in unique_names(table)}
    best = max(counts, key=lambda name: counts[name], default="")
    if best and 2 * counts[best] >= min(len(known), len(table.rows)) > 0:
        return best
    what = "no column names the slides; a label table has one row per slide"
    if patient := find_column(table, "patient_id"):
        what = f"the table has one row per patient ('{patient}') and no column of slides; one row per slide is needed"
    do = "Add a column slide_id with the file name of each slide, or name the column with --slide-id."
    raise ExperimentError(what, where=table.path, got=_listed(table), do=do)


def unique_names(table: UserTable) -> list[str]:
    """Names of the columns that are neither empty nor repeated."""
    names = table.names()
    return [name for name in names if name and names.count(name) == 1]


def cells(table: UserTable, name: str) -> list[str]:
    """The cells of a column that exists."""
    at = table.position(name)
    assert at is not None
    return table.column(at)


def other_columns(table: UserTable, used: Collection[str]) -> dict[str, list[str]]:
    """Name → cells of the columns that are not `used`."""
    return {name: cells(table, name) for name in unique_names(table) if name not in used}


def without_barcode(patients: Sequence[str]) -> list[str]:
    """The patient ids that are not TCGA barcodes, sorted; the second part of a barcode is the tissue source site."""
    from oceanpath.stages.split.patients import BARCODE  # loads pandas

    return sorted({name for name in patients if name and BARCODE.match(name) is None})


def joined(slides: Collection[str], known: Collection[str], pattern: str) -> tuple[dict[str, str], str]:
    """(id of the table → id of a slide, the expression by which they match).

    Without a named `pattern` whole ids are compared; if none match, the expression that relates at least half of them.

    Raises: ExperimentError: several ids match each other by `pattern`.
    """
    names = [name for name in slides if name]
    same = match(names, known, pattern)
    if same or pattern or not known:
        return same, pattern
    rule, count = likely_pattern(names, known)
    if 2 * count < min(len(names), len(known)):
        return {}, ""
    return match(names, known, rule), rule


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _listed(table: UserTable) -> str:
    return ", ".join(name for name in table.names() if name)
