"""Ids that look alike are found; those of published cohorts are not taken for such."""

from __future__ import annotations

import pytest

from oceanpath.artifacts.cohort.lookalikes import PAIRS, lookalikes, quoted, resembling


@pytest.mark.parametrize(
    "names",
    [
        ("P01", "p01"),
        ("P01", "P 01"),
        ("P01", "Р01"),  # Cyrillic
        ("P-Η", "P-H"),  # Greek
        ("ANNA", "АNNА"),
        ("P01", "Ｐ０１"),
        ("A-1", "A–1"),
        ("007", "7"),
        ("7", "7.0"),
        ("P07", "P7"),
        ("STRASSE", "straße"),
    ],
)
def test_twins_are_found(names: tuple[str, str]) -> None:
    assert lookalikes([*names, "other"]) == [tuple(sorted(names))]


def test_groups_are_whole_and_told_once() -> None:
    assert lookalikes(["P01", "p01", "Р01", "P 01"]) == [("P 01", "P01", "p01", "Р01")]


@pytest.mark.parametrize(
    "names",
    [
        ("TCGA-49-AAR0", "TCGA-49-AARO"),  # both are patients of TCGA
        ("TCGA-A8-A081", "TCGA-A8-A08I"),
        ("AI", "AL"),
        ("1.1", "1.10"),
        ("a_b", "a-b"),
        ("10", "100"),
        ("Muller", "Müller"),
    ],
)
def test_what_differs_in_letters_is_different(names: tuple[str, str]) -> None:
    assert lookalikes(names) == []


def test_every_pair_of_the_table_looks_alike() -> None:
    for strange, latin in PAIRS.items():
        assert len(strange) == len(latin)
        for a, b in zip(strange, latin, strict=True):
            assert resembling(f"x{a}", [f"x{b}"]) == [f"x{b}"], (a, b)


def test_a_strange_letter_is_spelled() -> None:
    assert quoted("P1") == "'P1'"
    assert quoted("Р1") == "'Р1' ('\\u04201')"
