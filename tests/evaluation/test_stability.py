"""Grades of thresholds, on sensitivity and on specificity."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from oceanpath.evaluation.levels import LevelRows
from oceanpath.evaluation.stability import SHIFTS, threshold_stability


def level(targets: list[int], scores: list[float], folds: list[int] | None = None) -> LevelRows:
    p = np.asarray(scores, np.float64)
    zeros = np.zeros(len(p), np.int64)
    own = zeros if folds is None else np.asarray(folds, np.int64)
    names = [f"s{i}" for i in range(len(p))]
    return LevelRows(np.asarray(targets), np.stack([1 - p, p], axis=1), own, zeros, names, cast("Any", None))


def rows(near: int, of: int, positive: bool) -> LevelRows:
    """`of` slides of each class far from a threshold of 0.5, of which `near` of one class are just above it."""
    close = [0.505] * near + [0.9 if positive else 0.1] * (of - near)
    other = [0.1 if positive else 0.9] * of
    return level([int(positive)] * of + [int(not positive)] * of, close + other)


@pytest.mark.parametrize("positive", [True, False], ids=["sensitivity", "specificity"])
@pytest.mark.parametrize(("near", "grade"), [(0, "A"), (2, "A"), (3, "B"), (5, "B"), (6, "C"), (10, "C"), (11, "D")])
def test_the_grade_is_that_of_the_larger_change(near: int, grade: str, positive: bool) -> None:
    found = threshold_stability(rows(near, 100, positive), [0.5])
    assert found["grade"] == grade
    changed, other = ("sensitivity", "specificity") if positive else ("specificity", "sensitivity")
    assert found["shifts"]["0.01"] == pytest.approx({changed: near / 100, other: 0.0})
    assert list(found["shifts"]) == [f"{shift:.2f}" for shift in SHIFTS]


def test_every_fold_has_its_own_threshold() -> None:
    own = level([1, 0, 1, 0], [0.305, 0.1, 0.9, 0.705], [0, 0, 1, 1])
    assert threshold_stability(own, [0.3, 0.5])["shifts"]["0.01"] == {"sensitivity": 0.5, "specificity": 0.0}
    assert threshold_stability(own, [0.2, 0.71])["shifts"]["0.01"] == {"sensitivity": 0.0, "specificity": 0.5}


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("inf"), float("nan")])
def test_a_threshold_that_no_probability_reaches_has_no_grade(threshold: float) -> None:
    found = threshold_stability(rows(3, 100, True), [threshold])
    assert found["grade"] is None and "no probability reaches" in found["reason"]


def test_a_missing_class_has_no_grade() -> None:
    assert threshold_stability(level([1, 1], [0.2, 0.8]), [0.5])["grade"] is None
