"""Further columns of a label table, for given slides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oceanpath.artifacts.cohort.id_match import match
from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
from oceanpath.errors import refuse


def read_slide_columns(path: Path, query: TableQuery, slides: Sequence[str], match_ids: str) -> dict[str, list[str]]:
    """Name → cells of the columns `query.columns`, one per slide; "" for a slide without a row.

    Raises: ExperimentError: a column is missing.
    """
    table = read_cohort(path, query)
    missing = set(query.columns) - set(table.columns)
    refuse([problem for problem in table.problems if any(f"'{name}'" in problem.what for name in missing)])
    same = match(table.slide_ids, slides, match_ids)
    row_of = {same[name]: row for row, name in enumerate(table.slide_ids) if name in same}
    return {
        name: [cells[row_of[slide]] if slide in row_of else "" for slide in slides]
        for name, cells in table.columns.items()
    }
