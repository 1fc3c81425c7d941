"""Predictions of a patient's slides at patient level: their mean, maximum, or noisy-or."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from oceanpath.errors import ExperimentError
from oceanpath.evaluation.levels import patient_level
from oceanpath.evaluation.report import build_report
from oceanpath.pipeline.stage import ParentSources
from oceanpath.stages.eval.preflight import preflight
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.multilabel import Multilabel
from oceanpath.tasks.ordinal import Ordinal

from .conftest import Cohort

SETTINGS = EvalSettings(resamples=100)


@pytest.mark.parametrize(
    ("how", "combine"),
    [("mean", np.mean), ("max", np.max), ("noisy_or", lambda slides: 1 - np.prod(1 - np.asarray(slides)))],
)
def test_patients_have_the_chosen_combination_of_their_slides(
    make: Callable[..., Cohort], how: str, combine: Callable[[Any], float]
) -> None:
    inputs = make().inputs
    rows = read_rows(inputs["train"], inputs["split"], how)
    level, _ = patient_level(SETTINGS, rows)
    assert level is not None and len(level.units) == 30
    expected = rows.frame.groupby("patient_id")["prob_pos"].agg(combine)
    assert level.values[:, 1] == pytest.approx(expected[level.units].to_numpy())
    assert level.values.sum(axis=1) == pytest.approx(1)


def test_only_another_way_than_the_mean_is_in_the_report(make: Callable[..., Cohort]) -> None:
    inputs = make().inputs
    mean, largest = (
        build_report(SETTINGS, read_rows(inputs["train"], inputs["split"], how), {}) for how in ("mean", "max")
    )
    assert "patient_aggregation" not in mean and largest["patient_aggregation"] == "max"
    assert largest["notes"] == [
        *mean["notes"],
        "patient_aggregation: the probability of a patient is the largest of the patient's slides",
    ]
    assert largest["level"]["slide"] == mean["level"]["slide"]
    assert largest["level"]["patient"]["brier"] != mean["level"]["patient"]["brier"]


def test_more_than_two_classes_have_no_event(make: Callable[..., Cohort]) -> None:
    inputs = make(classes=("a", "b", "c")).inputs
    with pytest.raises(ExperimentError, match=r"\[eval\] patient_aggregation.*expected mean, got noisy_or"):
        read_rows(inputs["train"], inputs["split"], "noisy_or")


def test_each_label_of_several_is_an_event() -> None:
    values = np.array([[0.5, 0.1], [0.5, 0.3]])
    task = Multilabel(["x", "y"])
    assert task.patient_aggregations() == ("mean", "max", "noisy_or")
    assert task.patient_values(values, np.array([0, 0]), "noisy_or") == pytest.approx(np.array([[0.75, 0.37]]))
    assert Ordinal(["1", "2", "3"]).patient_aggregations() == ("mean",)
    assert Classification(["a", "b"]).patient_values(values, np.array([0, 0]), "max") == pytest.approx(
        np.array([[0.7, 0.3]])
    )


@pytest.mark.parametrize(
    ("keys", "is_refused"),
    [
        ({"class_count": 2}, False),
        ({}, False),
        ({"task": "multilabel", "target_keys": {"targets": ("x", "y")}}, False),
        ({"class_count": 3}, True),
        ({"task": "ordinal"}, True),
        ({"task": "regression"}, True),
        ({"task": "regression", "patient_aggregation": "mean"}, False),
    ],
)
def test_a_way_that_the_task_does_not_have_is_refused_before_any_work(keys: dict[str, Any], is_refused: bool) -> None:
    problems = preflight(EvalSettings(**{"patient_aggregation": "max", **keys}), ParentSources()).problems
    assert bool(problems) is is_refused
    if is_refused:
        assert "[eval] patient_aggregation" in problems[0].render() and "got max" in problems[0].render()


def test_plans_and_identities_are_those_of_before_unless_the_key_is_set() -> None:
    default, largest = EvalSettings(), EvalSettings(patient_aggregation="max")
    assert "patient_aggregation" not in {**default.plan(), **default.identity()}
    assert largest.plan()["patient_aggregation"] == largest.identity()["patient_aggregation"] == "max"
