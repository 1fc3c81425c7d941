"""Differences of values from evaluated ones: probabilities as they are, large values relative to their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.stages.export.replay import EvaluatedPredictions
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.regression import Regression

from .conftest import CLASSES

FOUND, EXPECTED = np.array([[0.5, 100.0], [-30.0, 0.25]]), np.array([[0.25, 101.0], [-40.0, 0.5]])


@pytest.mark.parametrize(
    ("task", "record", "expected"),
    [(Classification(CLASSES), {}, [1.0, 10.0]), (Regression(), {"mean": 0.0, "deviation": 1.0}, [0.25, 0.25])],
)
def test_the_largest_difference_of_a_slide(task: Any, record: dict[str, float], expected: list[float]) -> None:
    stored = EvaluatedPredictions(Path(), cast(Store, None), read_objective(task, record), coords=False)
    assert stored.differences(FOUND, EXPECTED).tolist() == expected
