"""Text as programs save it is read right, or refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from oceanpath.artifacts.cohort.text_table import UserTable
from oceanpath.artifacts.cohort.user_tables import read_user_table
from oceanpath.errors import ExperimentError

HEAD = ["slide_id", "patient_id", "label"]
ROWS = [["S1", "Pé", "neg"], ["S2", "P2", "pos"]]


def read(folder: Path, raw: bytes | str, name: str = "t.csv", encoding: str = "") -> UserTable:
    (folder / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return read_user_table(folder / name, encoding)


def text(delimiter: str = ",", end: str = "\n", extra: str = "") -> str:
    return "".join(delimiter.join(row) + extra + end for row in [HEAD, *ROWS])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_every_usual_way_to_save_a_table(tmp_path: Path, delimiter: str, encoding: str, end: str, name: str) -> None:
    found = read(tmp_path, text(delimiter, end).encode(encoding), name)
    assert (found.names(), [list(row) for row in found.rows]) == (HEAD, ROWS)
    assert list(found.numbers) == [2, 3]


def test_how_it_was_read_is_told_where_that_is_a_guess(tmp_path: Path) -> None:
    assert read(tmp_path, text()).how == read(tmp_path, text("\t"), "t.tsv").how == ""
    assert read(tmp_path, text(";").encode("latin-1")).how == "read as CP1252 with semicolons"


@pytest.mark.parametrize(
    "raw",
    [
        text(extra=","),  # also behind the names
        "slide_id,patient_id,label\nS1,Pé,neg,\nS2,P2,pos,\n",  # the comma that pandas takes for an index
        "slide_id,patient_id,label,\nS1,Pé,neg,\nS2,P2,pos\n",
        "sep=;\r\n" + text(";", "\r\n"),
        "\n" + text() + ",,\n\n",
        'slide_id,patient_id,label\n"S1","Pé","neg"\nS2,P2,pos',
    ],
)
def test_what_means_nothing_is_left_out(tmp_path: Path, raw: str) -> None:
    found = read(tmp_path, raw)
    assert (found.names(), [list(row) for row in found.rows]) == (HEAD, ROWS)


def test_decimal_commas_and_an_index_of_pandas(tmp_path: Path) -> None:
    assert read(tmp_path, "slide_id;age\nS1;0,5\n").rows == [["S1", "0,5"]]
    found = read(tmp_path, ",slide_id\n0,S1\n")
    assert (found.names(), found.rows) == (["(column 1)", "slide_id"], [["0", "S1"]])


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "N/A", "#N/A", "NULL", "-", "inf", "007", "1e5", "TRUE"])
def test_words_are_words(tmp_path: Path, word: str) -> None:
    assert read(tmp_path, f"slide_id,label\n{word},{word}\n").rows == [[word, word]]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a,b\n1,2\n3\n4,5\n", ["expected 2 (a, b) between commas", "line 3 has 1"]),
        ("a,b\n1,2,3\n4,5\n", ["line 2 has 3"]),
        ('a,b\n1,"x\ny"\n3\n', ["line 4 has 1"]),
        ("a,b\n1,2,3\n4,5,6\n", ["one field more than the first line"]),
        ('a,b\n1,"2\n3,4\n', ["quotation mark", "line 2"]),
        ("a,b\n", ["no rows"]),
        ("", ["empty"]),
        ("\n \n", ["empty"]),
        (text().encode() + b"S3,\xff,neg\n", ["another encoding", "data.encoding"]),
        ("slide_id,label\nS1,阴性结果\n".encode("gbk"), ["another encoding", "gbk"]),
        ("slide_id,label\nS1,больной\n".encode("cp1251"), ["another encoding", "cp1251"]),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, raw: bytes | str, words: list[str]) -> None:
    with pytest.raises(ExperimentError) as caught:
        read(tmp_path, raw)
    for word in words:
        assert word in str(caught.value)


def test_an_encoding_can_be_told(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\nS1,阴性\n".encode("gbk"), encoding="gbk").rows == [["S1", "阴性"]]
    with pytest.raises(ExperimentError, match=r"data\.encoding: unknown encoding"):
        read(tmp_path, "a,b\n", encoding="gbkk")
