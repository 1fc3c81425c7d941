"""Tables are told apart by content; every cell is text as it was written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.errors import ExperimentError


def parquet(folder: Path, frame: pd.DataFrame, name: str = "t.parquet") -> Path:
    frame.to_parquet(folder / name)
    return folder / name


def test_parquet_of_any_type_and_any_suffix(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"whole": [7, 8], "float": [1.0, None], "text": [" a ", ""], "truth": [True, False], "half": [0.5, 1]}
    )
    frame["kind"] = pd.Categorical(["x", "y"])
    found = read_user_table(parquet(tmp_path, frame, "t.csv"))
    assert [list(row) for row in found.rows] == [
        ["7", "1", " a ", "True", "0.5", "x"],
        ["8", "", "", "False", "1", "y"],
    ]
    assert found.kinds == {0: "numbers", 1: "numbers", 3: "true or false", 4: "fractions"}
    assert found.place([1]) == "row 2"


def test_an_index_of_pandas_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": ["a"]}, index=pd.Index(["S1"], name="slide_id"))
    found = read_user_table(parquet(tmp_path, frame))
    at = found.position("slide_id")
    assert at is not None and found.column(at) == ["S1"]


def test_numbers_that_are_no_longer_exact_are_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"long": [2.0**60], "exact": [2**60], "day": pd.to_datetime(["2020-01-02"])})
    assert read_user_table(parquet(tmp_path, frame)).kinds == {0: "rounded numbers", 1: "numbers", 2: "dates"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\xd0\xcf\x11\xe0rest", ".xls"),
        (b"\x1f\x8b08", "gzip"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\n<!DOCTYPE html>", "HTML"),
        (b"PK\x03\x04rest", "truncated"),
        (b"PAR1rest", "parquet file cannot be read"),
    ],
)
def test_what_is_no_table_is_called_what_it_is(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(ExperimentError, match=words):
        read_user_table(tmp_path / "t.csv")


def test_columns_that_are_there_twice_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,label,x,label \n1,2,3,4\n")
    found = read_user_table(tmp_path / "t.csv")
    assert found.position("a") == 0 and found.position("gone") is None
    with pytest.raises(ExperimentError, match=r"'label' \(column 2\) and 'label ' \(column 4\)"):
        found.position("label")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="does not exist"):
        read_user_table(tmp_path / "t.csv")
    with pytest.raises(ExperimentError, match="is a folder"):
        read_user_table(tmp_path)
