"""Nobody's patients are divided by typing, and all that is wrong with a table is told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from oceanpath.artifacts.cohort.table import CohortTable, TableQuery, read_cohort, read_slide_ids
from oceanpath.errors import ExperimentError, together
from oceanpath.tasks.class_labels import as_class
from oceanpath.tasks.classification import Classification

CLASSES = ("neg", "pos")
SAVED: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "xlsx": lambda frame, path: frame.to_excel(path, index=False),
}


@pytest.fixture(params=SAVED)
def save(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    if request.param == "xlsx":
        pytest.importorskip("openpyxl", reason="the extra `excel` is not installed")

    def write(frame: pd.DataFrame) -> Path:
        SAVED[request.param](frame, tmp_path / f"t.{request.param}")
        return tmp_path / f"t.{request.param}"

    return write


def frame(**columns: Sequence[object]) -> pd.DataFrame:
    plain = {"slide_id": ["S1", "S2", "S3", "S4"], "patient_id": ["P1", "P1", "P2", "P3"], "label": [*CLASSES] * 2}
    return pd.DataFrame({**plain, **columns})


def read(path: Path, classes: Sequence[str] = CLASSES, **keys: Any) -> CohortTable:
    return read_cohort(path, TableQuery(target=Classification(classes), **keys))


def said(table: CohortTable) -> str:
    return together(table.problems).render() if table.problems else ""


def test_what_is_never_meant_divides_no_patient(save) -> None:
    table = read(
        save(
            frame(
                slide_id=["S1.svs ", "/a/S2.svs", "\u200bS3", "S4\u00a0"],
                patient_id=["Mu\u0308ller", "Müller ", "Mül\u200bler", "\u00a0Müller"],
                label=["neg ", "\u200bpos", "neg", "pos"],
            )
        )
    )
    assert (table.slide_ids, set(table.patients)) == (["S1", "S2", "S3", "S4"], {"Müller"})
    assert (table.labels, said(table)) == (["neg", "pos", "neg", "pos"], "")


@pytest.mark.parametrize(
    ("first", "second"), [("P1", "p1"), ("P1", "P 1"), ("P1", "Р1"), ("P-1", "P–1"), ("P1", "Ｐ１"), ("007", "7")]
)
def test_what_is_doubtful_is_refused_by_name(save, first: str, second: str) -> None:
    path = save(frame(patient_id=[first, second, "x", "y"]))
    text = said(read(path))
    assert "patient ids that resemble each other" in text and "data.distinct_ids = true" in text
    assert repr(first) in text and repr(second) in text
    assert said(read(path, distinct_ids=True)) == ""


def test_slides_that_look_alike_are_refused_too(save) -> None:
    assert "slide ids that resemble each other; got 1: 'S1' in" in said(
        read(save(frame(slide_id=["S1", "s1", "S3", "S4"])))
    )


@pytest.mark.parametrize("word", ["nan", "None", "NA", "<NA>", "null", "N/A"])
def test_a_word_for_a_missing_value_is_no_patient(save, word: str) -> None:
    path = save(frame(patient_id=[word, word, "P2", "P3"]))
    assert f"a text for a missing value is used as a patient id; got {word!r}" in said(read(path))
    assert said(read(path, distinct_ids=True)) == ""


@pytest.mark.parametrize("word", ["None", "NA", "null", "nan", "n/a", "NULL"])
def test_a_class_may_be_called_as_a_missing_value_is(save, word: str) -> None:
    table = read(save(frame(label=[word, "pos"] * 2)), classes=(word, "pos"))
    assert (table.labels, said(table)) == ([word, "pos"] * 2, "")


def test_an_empty_cell_is_missing_and_nothing_else_is(save) -> None:
    table = read(save(frame(patient_id=["P1", "", " ", "\u200b"], label=["neg", "pos", "", " "])))
    assert table.patients == ["P1", "", "", ""]
    assert table.labels == ["neg", "pos", "", ""]


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], ["0", "1"], ["0.0", "1.0"], ["0", "1.0"]])
@pytest.mark.parametrize("classes", [("0", "1"), ("0.0", "1.0")])
def test_numbers_name_classes_however_they_are_written(save, labels: list[object], classes: tuple[str, str]) -> None:
    table = read(save(frame(label=labels * 2)), classes=classes)
    assert (table.labels, said(table)) == ([*classes] * 2, "")


def test_a_number_names_one_class_alone() -> None:
    assert as_class("1.0", ("1", "01")) == "1.0"
    assert as_class("1.0", ("1", "1.0")) == "1.0"
    assert as_class("x", ("1",)) == "x"


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([1.5, 2.0, 3.0, 4.0], "stored as fractions"),
        ([2.0**60, 2.0, 3.0, 4.0], "too long to be exact"),
        (list(pd.to_datetime(["2020-01-02"] * 4)), "dates"),
        (["1.23E+15"] * 4, "ids were rounded by a spreadsheet; got 1.23E+15"),
    ],
)
def test_ids_that_lost_digits_are_refused(tmp_path: Path, ids: list[object], words: str) -> None:
    frame(patient_id=ids).to_parquet(tmp_path / "t.parquet")
    assert words in said(read(tmp_path / "t.parquet"))


def test_ids_that_may_have_lost_zeros_are_told(tmp_path: Path) -> None:
    for ids in ([7, 7, 8, 9], [7.0, 7.0, 8.0, None]):
        frame(patient_id=ids).to_parquet(tmp_path / "t.parquet")
        table = read(tmp_path / "t.parquet")
        assert table.patients[:3] == ["7", "7", "8"]
        assert table.notes == ["t.parquet: patient_id is stored as numbers; leading zeros, if any, are lost"]


def test_labels_that_are_nearly_a_class(save) -> None:
    text = said(read(save(frame(label=["Neg", "pos"] * 2))))
    assert "a class has no slide; expected neg, got Neg (2), pos (2). Did you mean 'Neg' for 'neg'?" in text
    text = said(read(save(frame(label=["neg", "pos", "Neg", "p os"]))))
    assert "labels resemble a class but are not one; got 'Neg' (1) resembles 'neg', 'p os' (1) resembles 'pos'" in text


def test_all_problems_are_told_at_once(save) -> None:
    bad = frame(slide_id=["S1", "S1", "", "S4"], patient_id=["P1", "p1", "NA", "P3"], label=["neg", "x", "x", "x"])
    text = said(read(save(bad)))
    for words in (
        "5 problems",
        "rows without a slide id",
        "1 slide ids appear more than once in the table; got S1",
        "patient ids that resemble each other",
        "a text for a missing value",
        "a class has no slide; expected pos",
    ):
        assert words in text
    table = read(save(frame()), label="lable", patient_id="case")
    assert table.absent == {"label", "patient_id"} and "2 problems" in said(table)


def test_without_a_column_of_slides_nothing_else_can_be_told(save) -> None:
    with pytest.raises(ExperimentError, match=r'Set data\.slide_id = "slide_id"'):
        read(save(frame()), slide_id="slide")
    with pytest.raises(ExperimentError, match="no column 'slide'"):
        read_slide_ids(save(frame()), TableQuery(slide_id="slide"))


def test_columns_are_found_as_they_are_meant(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\ufeff slide_id , patient_id\u00a0,la\u200bbel\nS1,P1,neg\nS2,P2,pos\n")
    assert said(read(tmp_path / "t.csv")) == ""


def test_columns_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("slide_id,patient_id,label,label \nS1,P1,neg,a\nS2,P2,pos,b\n")
    assert "2 columns have the name 'label'; got 'label' (column 3) and 'label ' (column 4)" in said(
        read(tmp_path / "t.csv")
    )
