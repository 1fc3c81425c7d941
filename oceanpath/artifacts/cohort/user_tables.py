"""Tables from users: delimited text, a parquet file or an Excel workbook, recognised by its content.

Every cell is read as text: leading zeros are kept, and NA, None and null are ordinary text. Only an empty cell is a
missing value. Texts are compared in the form of `oceanpath.artifacts.cohort.ids.normal`.
"""

from __future__ import annotations

from pathlib import Path

from oceanpath.artifacts.cohort.text_table import UserTable, cell_text, kind_of
from oceanpath.errors import ExperimentError

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
