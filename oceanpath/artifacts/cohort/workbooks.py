"""Excel workbooks (.xlsx, .xlsm), through openpyxl: the extra `excel`."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oceanpath.artifacts.cohort.text_table import UserTable, cell_text, kind_of
from oceanpath.errors import ExperimentError, MissingExtraError

WORKBOOK_XML = "xl/workbook.xml"
OTHER_FORMATS = {"application/vnd.oasis.opendocument.spreadsheet": "a LibreOffice spreadsheet (.ods)"}
ZERO_FORMAT = re.compile(r"0{2,}")
"""A number format that displays leading zeros: with 000, the number 7 is displayed as 007."""
DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError),
    *(SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
"""Exceptions of openpyxl for a damaged workbook; XML parsers raise subclasses of SyntaxError."""
MAX_SHOWN = 5


def read_workbook(path: Path, raw: bytes, sheet: str = "") -> UserTable:
    """The table in a workbook: that of the named sheet, otherwise of the only sheet that is not empty.

    The first row that is not empty contains the column names. Numbers with a format that displays leading zeros are
    read as displayed; formulas are read as their last result.

    Raises:
        ExperimentError: not a workbook, no such sheet, several sheets, or a cell that contains an error.
        MissingExtraError: openpyxl is not installed.
    """
    _refuse_other(path, raw)
    sheets = {sheet.title: sheet for sheet in _open(path, raw).worksheets}
    name = sheet or _only_sheet(path, sheets)
    if name not in sheets:
        got = ", ".join(sheets)
        raise ExperimentError(
            "the workbook has no such sheet", where=path, expected=name, got=got, do="Set data.sheet."
        )
    rows = {number: cells for number, cells in enumerate(sheets[name].iter_rows(), 1) if any(map(_filled, cells))}
    if not rows:
        raise ExperimentError("the sheet is empty", where=path, got=name)
    head, *numbers = rows
    header = [_text(cell) for cell in rows[head]]
    kept = [at for at, text in enumerate(header) if text.strip() or any(_filled(rows[n][at]) for n in numbers)]
    for number in numbers:
        _refuse_errors(path, [rows[number][at] for at in kept])
    kinds = {k: kind for k, at in enumerate(kept) if (kind := kind_of([_value(rows[n][at]) for n in numbers]))}
    return UserTable(
        path,
        [header[at] or f"(column {at + 1})" for at in kept],
        [[_text(rows[number][at]) for at in kept] for number in numbers],
        numbers,
        "row",
        f"read from the sheet '{name}'" if len(sheets) > 1 else "",
        kinds,
    )


def _refuse_other(path: Path, raw: bytes) -> None:
    """Raise unless the bytes are those of a workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype").decode("ascii", "replace") if "mimetype" in names else ""
    except DAMAGE as error:
        raise ExperimentError("the workbook is truncated or damaged", where=path, got=error) from error
    if WORKBOOK_XML not in names:
        what = OTHER_FORMATS.get(kind, "a zip archive")
        raise ExperimentError(f"the file is {what}, not a table", where=path, do="Save it as CSV or .xlsx.")


def _open(path: Path, raw: bytes) -> Any:
    try:
        import openpyxl
    except ImportError as error:
        do = "Install openpyxl with: python -m pip install 'oceanpath[excel]'; or save the table as CSV UTF-8."
        raise MissingExtraError(
            "reading an Excel workbook needs a package that is not installed",
            where=path,
            expected=error.name,
            do=do,
        ) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for charts and rules, which are not read
            return openpyxl.load_workbook(io.BytesIO(raw), data_only=True)
    except DAMAGE as error:
        got = f"{type(error).__name__}: {error}"
        raise ExperimentError("the workbook cannot be read", where=path, got=got, do="Save it as CSV.") from error


def _only_sheet(path: Path, sheets: Mapping[str, Any]) -> str:
    used = [name for name, sheet in sheets.items() if any(_filled(cell) for row in sheet.iter_rows() for cell in row)]
    if len(used) > 1:
        do = f'Set data.sheet, for example to "{used[0]}".'
        raise ExperimentError("the workbook has several sheets", where=path, got=", ".join(used), do=do)
    if not sheets:
        raise ExperimentError("the workbook has no sheet", where=path, do="Save it as CSV.")
    return (used or list(sheets))[0]


def _filled(cell: Any) -> bool:
    return cell.value is not None and str(cell.value).strip() != ""


def _value(cell: Any) -> Any:
    """The value of a cell; a number whose format displays leading zeros becomes text."""
    value = cell.value
    zeros = isinstance(value, int) and ZERO_FORMAT.fullmatch(str(cell.number_format))
    return str(value).zfill(len(cell.number_format)) if zeros else value


def _text(cell: Any) -> str:
    return cell_text(_value(cell))


def _refuse_errors(path: Path, cells: Sequence[Any]) -> None:
    wrong = [f"{cell.coordinate} {cell.value}" for cell in cells if cell.data_type == "e"]
    if wrong:
        raise ExperimentError("cells contain an Excel error", where=path, got=", ".join(wrong[:MAX_SHOWN]))
