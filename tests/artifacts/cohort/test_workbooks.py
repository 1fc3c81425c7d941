"""Excel workbooks are read by content, and told by name where openpyxl is not installed."""

from __future__ import annotations

import builtins
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.errors import ExperimentError, MissingExtraError

openpyxl = pytest.importorskip("openpyxl", reason="the extra `excel` is not installed")

Make = Callable[..., Path]
ROWS = (("slide_id", "patient_id", "label"), ("S1", 7, "NA"), ("S2", 8, None))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(name: str = "t.xlsx", more: dict[str, Sequence[Any]] | None = None, rows: Sequence[Any] = ROWS) -> Path:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        for title, row in (more or {}).items():
            book.create_sheet(title).append(row)
        book.save(tmp_path / name)
        return tmp_path / name

    return build


def test_cells_become_text(make: Make) -> None:
    found = read_user_table(make("t.csv", rows=[(), *ROWS, (None, None, None), ("S3", 1.5, True)]))
    assert found.names() == ["slide_id", "patient_id", "label"]
    assert [list(row) for row in found.rows] == [["S1", "7", "NA"], ["S2", "8", ""], ["S3", "1.5", "True"]]
    assert found.place([0, 2]) == "rows 3, 6"


def test_zeros_that_a_format_shows_are_read(make: Make) -> None:
    path = make()
    book = openpyxl.load_workbook(path)
    for cell in ("B2", "B3"):
        book.active[cell].number_format = "000"
    book.save(path)
    found = read_user_table(path)
    assert found.column(1) == ["007", "008"] and found.kinds == {}
    assert read_user_table(make("plain.xlsx")).kinds == {1: "numbers"}


def test_of_several_sheets_one_is_named(make: Make) -> None:
    path = make(more={"other": ["a"], "nothing": []})
    with pytest.raises(ExperimentError, match=r"Sheet, other.*data\.sheet"):
        read_user_table(path)
    assert read_user_table(path, sheet="Sheet").how == "read from the sheet 'Sheet'"
    with pytest.raises(ExperimentError, match="no such sheet; expected x"):
        read_user_table(path, sheet="x")
    assert len(read_user_table(make("u.xlsx", {"nothing": []})).rows) == 2


def test_errors_and_dates_are_told(make: Make) -> None:
    with pytest.raises(ExperimentError, match=r"an Excel error; got C2 #N/A"):
        read_user_table(make(rows=[*ROWS[:1], ("S1", 7, "#N/A")]))
    assert read_user_table(make(rows=[*ROWS[:1], ("S1", date(2020, 1, 2), "a")])).kinds == {1: "dates"}


@pytest.mark.parametrize("spoil", [lambda raw: raw[: len(raw) // 2], lambda raw: raw.replace(b"sheet1", b"sheetX")])
def test_a_damaged_workbook_is_told(make: Make, spoil: Callable[[bytes], bytes]) -> None:
    path = make()
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ExperimentError, match="workbook"):
        read_user_table(path)


def test_other_archives_are_called_what_they_are(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(ExperimentError, match="LibreOffice"):
        read_user_table(tmp_path / "t.xlsx")


def test_without_openpyxl_the_extra_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = make("t.csv"), builtins.__import__

    def absent(name: str, *more: Any) -> Any:
        if name == "openpyxl":
            raise ImportError("No module named 'openpyxl'", name="openpyxl")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtraError, match=r"reading an Excel workbook.*oceanpath\[excel\]"):
        read_user_table(path)
