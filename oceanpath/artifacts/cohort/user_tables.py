"""Tables from users: delimited text, a parquet file or an Excel workbook, recognised by its content.

Every cell is read as text: leading zeros are kept, and NA, None and null are ordinary text. Only an empty cell is a
missing value. Texts are compared in the form of `oceanpath.artifacts.cohort.ids.normal`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oceanpath.artifacts.cohort.ids import normal
from oceanpath.errors import ExperimentError, shorten_list

OTHER_FORMATS: dict[bytes, tuple[str, str]] = {
    b"\xd0\xcf\x11\xe0": ("an Excel workbook of 1997 to 2003 (.xls)", "Save it as .xlsx or as CSV."),
    b"\x1f\x8b": ("a gzip archive", "Decompress it."),
    b"ARROW1": ("an Arrow or Feather file", "Save it as parquet or CSV."),
    b"SQLite format 3": ("an SQLite database", "Export the table as CSV."),
    b"%PDF": ("a PDF", "Export the table as CSV."),
    b"{\\rtf": ("a rich text document", "Save the table as CSV."),
}
"""First bytes of files that cannot be read as a table → their format, and what to do."""
HEAD_BYTES = 1 << 12
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


def read_user_table(path: Path, encoding: str = "", sheet: str = "") -> UserTable:
    """Read a user's table.

    Args:
        path: CSV with any usual delimiter and encoding, TSV, parquet or xlsx.
        encoding: Encoding of delimited text; default: detected.
        sheet: Sheet of a workbook; default: the only one that is not empty.

    Raises:
        ExperimentError: missing, unreadable, empty or not a table; the message names the line.
        MissingExtraError: openpyxl is needed for a workbook and is not installed.
    """
    if not path.is_file():
        what = "the table is a folder" if path.is_dir() else "the table does not exist"
        raise ExperimentError(what, where=path, do="Set data.labels to a csv, tsv, parquet or xlsx file.")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ExperimentError("the table cannot be read", where=path, got=error.strerror) from error
    table = _parsed(path, raw, encoding, sheet)
    if not table.rows:
        raise ExperimentError("the table has no rows", where=path)
    return table


def _parsed(path: Path, raw: bytes, encoding: str, sheet: str) -> UserTable:
    for start, (what, do) in OTHER_FORMATS.items():
        if raw.startswith(start):
            raise ExperimentError(f"the file is {what}, not a table", where=path, do=do)
    if raw.startswith(b"PAR1"):
        return _parquet(path)
    if raw.startswith(b"PK\x03\x04"):
        from oceanpath.artifacts.cohort.workbooks import read_workbook  # few tables are workbooks

        return read_workbook(path, raw, sheet)
    if raw[:HEAD_BYTES].lstrip()[:1] == b"<":
        do = "A download or sign-in page may have been saved instead: download the table itself, or save it as CSV."
        raise ExperimentError("the file is HTML or XML, not a table", where=path, do=do)
    from oceanpath.artifacts.cohort.delimited import read_delimited

    return read_delimited(path, raw, encoding)


def _parquet(path: Path) -> UserTable:
    """The table in a parquet file; an index that pandas wrote is a column like the others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = pq.read_table(path)
        columns = [column.to_pylist() for column in data.columns]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ExperimentError("the parquet file cannot be read", where=path, got=str(error).splitlines()[0]) from error
    kinds = {at: kind for at, cells in enumerate(columns) if (kind := kind_of(cells))}
    rows = [[cell_text(cell) for cell in row] for row in zip(*columns, strict=True)]
    return UserTable(path, list(data.column_names), rows, range(1, len(rows) + 1), "row", kinds=kinds)


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
