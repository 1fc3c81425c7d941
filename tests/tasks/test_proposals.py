"""Targets proposed for the columns of a label table."""

from __future__ import annotations

import pytest

from oceanpath.tasks.class_proposal import order_classes
from oceanpath.tasks.proposals import UNLIKELY, propose_targets, words_of


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Tumor", "Normal"], ["Normal", "Tumor"]),
        (["tumor_tissue", "normal_tissue"], ["normal_tissue", "tumor_tissue"]),
        (["R", "NR"], ["NR", "R"]),
        (["MSI-H", "MSS"], ["MSS", "MSI-H"]),
        (["mutated", "wild-type"], ["wild-type", "mutated"]),
        (["WT", "MUT"], ["WT", "MUT"]),
        (["10", "9", "2"], ["2", "9", "10"]),
        (["G3", "G1", "G2"], ["G1", "G2", "G3"]),
        (["IV", "II", "I", "IIIB", "IIIA"], ["I", "II", "IIIA", "IIIB", "IV"]),
        (["high", "low", "medium"], ["low", "medium", "high"]),
        (["LUSC", "LUAD"], ["LUAD", "LUSC"]),
        (["1", "0"], ["0", "1"]),
    ],
)
def test_the_order_of_classes(names, expected) -> None:
    assert order_classes(names)[0] == expected


def test_columns_of_few_values_are_proposed_and_the_usual_names_are_first() -> None:
    columns = {
        "age": [str(50 + i) for i in range(40)],
        "train": ["1.0", "0.0"] * 20,
        "oncotree_code": ["IDC", "ILC"] * 20,
        "ER_Status_By_IHC": ["positive", "negative", "N/A", ""] * 10,
        "one": ["same"] * 40,
    }
    proposals = propose_targets(columns)
    assert [each.columns[0] for each in proposals] == ["ER_Status_By_IHC", "oncotree_code", "train"]
    first = proposals[0]
    assert first.keys == {"label": "ER_Status_By_IHC", "classes": ["negative", "positive"]}
    assert first.counts() == {"positive": 10, "negative": 10}
    assert first.unusable == 20
    assert "positive class is positive" in first.summary
    assert proposals[-1].rank == UNLIKELY


def test_a_named_column_is_proposed_whatever_its_number_of_classes() -> None:
    columns = {"type": [f"t{i // 2}" for i in range(60)], "other": ["a", "b"] * 30}
    assert [each.columns[0] for each in propose_targets(columns)] == ["other"]
    (named,) = propose_targets(columns, wanted="type")
    assert len(named.keys["classes"]) == 30


def test_words_of_a_column_name() -> None:
    assert words_of("ER_StatusByIHC") == ["er", "status", "by", "ihc"]
