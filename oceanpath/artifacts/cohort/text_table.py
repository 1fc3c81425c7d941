"""A table as text cells, with the position of each row in its file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.artifacts.cohort.ids import normal
from oceanpath.errors import ExperimentError, shorten_list

LARGEST_EXACT = 2**53
"""Larger whole numbers may not be exact as 64-bit floats."""


@dataclass(frozen=True)
class UserTable:
    """The cells of a table as text, and the position of each row in the file."""

    path: Path
    columns: Sequence[str]
    """Names of the columns; several may be equal."""
    rows: Sequence[Sequence[str]]
    """Cells, one per column in each row; "" for an empty cell."""
    numbers: Sequence[int]
    """Line of each row, or its row in a sheet."""
    unit: str = "line"
    """What `numbers` count."""
    how: str = ""
    """How it was read, if another program might read it differently."""
    kinds: Mapping[int, str] = field(default_factory=dict)
    """Position of a column → type of its cells, if not all of them were text."""

    def place(self, rows: Sequence[int], shown: int = 5) -> str:
        """The location of rows in the file: ``lines 3, 5 and 2 more``."""
        numbers = [str(self.numbers[row]) for row in rows]
        return f"{self.unit}{'s' if len(numbers) > 1 else ''} {shorten_list(numbers, shown)}"

    def position(self, name: str) -> int | None:
        """Position of the column `name`; None if there is none.

        Raises: ExperimentError: several columns have this name.
        """
        wanted = normal(name)
        positions = [at for at, column in enumerate(self.columns) if normal(column) == wanted]
        if len(positions) > 1:
            names = " and ".join(f"{self.columns[at]!r} (column {at + 1})" for at in positions)
            do = "Rename or remove all but one."
            what = f"{len(positions)} columns have the name '{wanted}'"
            raise ExperimentError(what, where=self.path, got=names, do=do)
        return positions[0] if positions else None

    def column(self, at: int) -> list[str]:
        """The cells of the column at a position, in the form in which they are compared."""
        return [normal(row[at]) for row in self.rows]

    def names(self) -> list[str]:
        """Names of the columns, in the form in which they are compared."""
        return [normal(column) for column in self.columns]


def cell_text(value: Any) -> str:
    """A typed cell as text: a whole number without decimal point, "" for None and NaN."""
    if _is_missing(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def kind_of(cells: Sequence[Any]) -> str:
    """The type of a column's cells as a word for messages; "" if all are text."""
    values = [cell for cell in cells if not _is_missing(cell)]
    types = {type(value).__name__ for value in values}
    if types <= {"str", "bytes"}:
        return ""
    if types & {"date", "datetime", "time", "timedelta", "Timestamp"}:
        return "dates"
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if any(isinstance(value, float) and abs(value) >= LARGEST_EXACT for value in numbers):
        return "rounded numbers"
    if any(isinstance(value, float) and not value.is_integer() for value in numbers):
        return "fractions"
    return "numbers" if numbers else "true or false" if "bool" in types else "not text"


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
