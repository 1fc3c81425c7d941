"""Rows mean slides by their ids, or by the part of them that was asked for; nothing is guessed."""

from __future__ import annotations

import pytest

from oceanpath.artifacts.cohort.id_match import id_key, match, other_cohort
from oceanpath.errors import ExperimentError

UUID = "90f67fdf-dff9-46ca-af71-0978d7c221ba"


def test_whole_ids_are_compared_unless_a_part_is_asked_for() -> None:
    assert match(["a", "b"], ["b", "c"]) == {"b": "b"}
    assert match(["a_1", "b"], ["a_2", "c"], "^[^_]+") == {"a_1": "a_2"}
    assert id_key("^x(y)?")("xz") == "x"
    assert id_key("^x(y)")("xyz") == "y"
    assert id_key("^q")("xyz") == "xyz"


def test_a_part_that_several_share_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"several ids match each other; got a_1, a_2"):
        match(["a"], ["a_1", "a_2"], "^[^_]+")


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (
            [f"TCGA-05-42{i}-01Z-00-DX1" for i in range(10, 14)],
            [f"TCGA-05-42{i}-01Z-00-DX1.{UUID}" for i in range(10, 14)],
        ),
        ([f"TCGA-05-42{i}" for i in range(10, 14)], [f"TCGA-05-42{i}-01Z-00-DX1.{UUID}" for i in range(10, 14)]),
        ([f"s{i}" for i in range(4)], [f"s{i}_features" for i in range(4)]),
        ([f"s{i}.jpg" for i in range(4)], [f"s{i}" for i in range(4)]),
        ([f"{i}" for i in range(1, 5)], [f"{i:03d}" for i in range(1, 5)]),
        ([f"{i}" for i in range(1, 5)], [f"slide_{i:03d}" for i in range(1, 5)]),
        ([f"s{i}" for i in range(4)], [f"s{i} HE" for i in range(4)]),
    ],
)
def test_a_rule_that_would_match_is_offered_and_works(table: list[str], known: list[str]) -> None:
    text = other_cohort(table, known, "t.csv").render()
    assert f"0 of 4 ids match: the table has '{sorted(table)[0]}'" in text
    assert "4 would match with data.match_ids = '" in text
    rule = text.split("data.match_ids = '")[1].removesuffix("'.")
    assert len(match(table, known, rule)) == 4


@pytest.mark.parametrize(
    ("table", "known", "words"),
    [
        (["T_001", "T_002"], ["S_001", "S_002"], "table of another cohort?"),
        (["T001", "T002"], ["S001", "S002"], "table of another cohort?"),
        (["a1", "a2"], ["A1", "A2"], "if case were ignored"),
        (["P1", "P2"], ["P1-a", "P1-b", "P2-a", "P2-b"], "the table needs one row per slide"),
    ],
)
def test_no_rule_is_offered_that_would_match_by_chance(table: list[str], known: list[str], words: str) -> None:
    text = other_cohort(table, known, "t.csv").render()
    assert words in text and "match_ids" not in text
