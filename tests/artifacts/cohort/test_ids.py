"""One rule for slide ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.artifacts.cohort.ids import describe_missing, normal, slide_id

TCGA = "TCGA-05-4250-01Z-00-DX1.90f67fdf-dff9-46ca-af71-0978d7c221ba"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"{TCGA}.svs", TCGA),
        (TCGA, TCGA),
        ("deep/folder/a.SVS", "a"),
        ("a.svs.h5", "a"),
        (" 007 ", "007"),
        (".h5", ".h5"),
    ],
)
def test_known_suffixes_go_and_nothing_else(name: str, expected: str) -> None:
    assert slide_id(name) == expected


@given(st.text("abc.-_0123456789", min_size=1, max_size=20))
def test_an_id_is_its_own_id(name: str) -> None:
    assert slide_id(slide_id(name)) == slide_id(name)


def test_missing_ids_come_with_the_nearest_and_a_count() -> None:
    text = describe_missing([f"slide_{i}" for i in range(9)], ["slide_00"], shown=2)
    assert text == "slide_0 (nearest: slide_00), slide_1 (nearest: slide_00) and 7 more"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("P01 ", "P01"),
        ("\tP01\r\n", "P01"),
        ("P\u00a001", "P 01"),
        ("\u200bP\u200d01\ufeff", "P01"),
        ("Mu\u0308ller", "Müller"),
        ("P01\0\0", "P01"),
        ("\u2003P01\u3000", "P01"),
        ("\u202aP01\u202c", "P01"),
        ("", ""),
    ],
)
def test_what_is_never_meant_is_removed(text: str, expected: str) -> None:
    assert normal(text) == expected


@given(st.text(max_size=20))
def test_normal_texts_stay(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C:\\scans\\a.svs", "a"),
        ("e\u0301.svs", "é"),
        ("a .svs", "a"),
        ("folder/a.h5 ", "a"),
        ("folder/", "folder"),
    ],
)
def test_file_names_and_cells_of_any_system_give_one_id(name: str, expected: str) -> None:
    assert slide_id(name) == expected
