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
    proposals = propose_targets(columns, "classification")
    assert [each.columns[0] for each in proposals] == ["ER_Status_By_IHC", "oncotree_code", "train"]
    first = proposals[0]
    assert first.keys == {"label": "ER_Status_By_IHC", "classes": ["negative", "positive"]}
    assert first.counts() == {"positive": 10, "negative": 10}
    assert first.unusable == 20
    assert first.summary == "2 classes: negative 10, positive 10"
    assert proposals[-1].rank == UNLIKELY


def test_a_named_column_is_proposed_whatever_its_number_of_classes() -> None:
    columns = {"type": [f"t{i // 2}" for i in range(60)], "other": ["a", "b"] * 30}
    assert [each.columns[0] for each in propose_targets(columns)] == ["other"]
    (named,) = propose_targets(columns, "classification", "type")
    assert len(named.keys["classes"]) == 30


def test_words_of_a_column_name() -> None:
    assert words_of("ER_StatusByIHC") == ["er", "status", "by", "ihc"]


def test_survival_pairs_times_and_events_of_the_same_kind() -> None:
    columns = {
        "survival_months": [str(i + 0.5) for i in range(30)],
        "survival_months_dss": [str(i + 1.5) for i in range(30)],
        "censorship": ["1", "0", "0"] * 10,
        "censorship_dss": ["1", "0", "N/A"] * 10,
        "oncotree_code": ["A", "B"] * 15,
    }
    first, *others = propose_targets(columns)
    assert (first.task, first.columns) == ("survival", ("survival_months", "censorship"))
    assert first.keys == {
        "time": "survival_months",
        "event": "censorship",
        "event_value": "0",
        "time_unit": "months",
    }
    assert first.counts() == {"event": 20, "censored": 10}
    (dss,) = propose_targets(columns, "survival", "survival_months_dss")
    assert (dss.columns[1], dss.unusable) == ("censorship_dss", 10)
    assert {each.task for each in others} == {"survival", "classification", "regression"}


@pytest.mark.parametrize(
    ("name", "values", "event"),
    [
        ("vital_status", ["Dead", "Alive"], "Dead"),
        ("event", ["1", "0"], "1"),
        ("OS_STATUS", ["1:DECEASED", "0:LIVING"], ""),
        ("censored", ["yes", "no"], "no"),
    ],
)
def test_the_value_that_means_an_event(name, values, event) -> None:
    columns = {"follow_up_days": [str(i + 1) for i in range(30)], name: values * 15}
    proposals = propose_targets(columns, "survival")
    assert [each.keys["event_value"] for each in proposals] == ([event] if event else [])


def test_columns_of_many_numbers_are_regression() -> None:
    columns = {"hrd_score": [str(i / 7) for i in range(30)], "age": [str(40 + i) for i in range(30)]}
    first, second = propose_targets(columns)
    assert (first.task, first.rank, first.keys) == ("regression", 2, {"label": "hrd_score"})
    assert (second.columns, second.rank) == (("age",), UNLIKELY)
    few = {"grade": ["1", "2", "3"] * 10}
    assert propose_targets(few, wanted="grade")[0].task == "classification"
    assert propose_targets(few, "regression", "grade")[0].task == "regression"
    (ordinal,) = propose_targets({**few, "kind": ["a", "b", "c"] * 10}, "ordinal")
    assert ordinal.keys == {"label": "grade", "classes": ["1", "2", "3"]} and ordinal.rank > UNLIKELY
