"""The baseline of clinical columns: encoding within the fitted rows, and errors of columns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from oceanpath.errors import ExperimentError
from oceanpath.stages.eval import clinical
from oceanpath.stages.eval.clinical import encode, fit_clinical, validate_columns
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.regression import Regression
from oceanpath.tasks.survival import Survival


def test_columns_are_encoded_by_the_fitted_rows_only() -> None:
    fitted = pd.DataFrame({"age": ["40", "60", "", "90"], "stage": ["I", "II", "I", "II"]})
    others = pd.DataFrame({"age": ["", "50"], "stage": ["III", "I"]})
    x, to = encode(fitted, others)
    assert x.tolist() == [[40, 0, 1, 0], [60, 0, 0, 1], [60, 1, 1, 0], [90, 0, 0, 1]]
    assert to.tolist() == [[60, 1, 0, 0], [50, 0, 1, 0]]
    x, to = encode(fitted[["stage"]], pd.DataFrame({"stage": ["", "II"]}))
    assert x.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]] and to.tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [(["", "", ""], "is empty"), ([*map(str, range(25)), "old"], "neither numeric nor categorical.*'old'")],
)
def test_columns_that_cannot_be_encoded_are_refused(cells: list[str], message: str) -> None:
    with pytest.raises(ExperimentError, match=message) as error:
        validate_columns(pd.DataFrame({"age": cells}))
    assert "column age" in str(error.value)


def cohort(monkeypatch: pytest.MonkeyPatch, task: Any, labels: list[str]) -> tuple[Any, pd.DataFrame, list[str]]:
    """Test rows of two folds; each is predicted by the other half."""
    slides = [f"s{number:02d}" for number in range(len(labels))]
    folds = np.arange(len(labels)) % 2
    rng = np.random.default_rng(0)
    columns = pd.DataFrame({"age": [f"{age:.1f}" for age in 60 + 10 * rng.standard_normal(len(labels))]}, index=slides)
    columns.iloc[3, 0] = "NA"
    frame = pd.DataFrame({"slide_id": slides})
    rows = SimpleNamespace(values=np.zeros((len(labels), len(task.columns))), split_folds=folds, frame=frame, task=task)

    def fitting_rows(_rows: Any, _split: Path, number: int) -> tuple[list[str], np.ndarray]:
        own = np.flatnonzero(folds != number)
        return [slides[row] for row in own], task.targets([labels[row] for row in own])

    monkeypatch.setattr(clinical, "fitting_rows", fitting_rows)
    return rows, columns, slides


def test_the_baseline_is_a_logistic_regression_per_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [["a", "b"][number // 2 % 2] for number in range(40)]
    rows, columns, _ = cohort(monkeypatch, Classification(["a", "b"]), labels)
    values = fit_clinical(rows, Path(), columns)
    age = pd.to_numeric(columns["age"], errors="coerce").to_numpy()
    train, test = np.arange(40) % 2 == 1, np.arange(40) % 2 == 0
    x = np.c_[np.where(np.isnan(age), np.nanmedian(age[train]), age), np.isnan(age)]
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    model = LogisticRegression(C=1, max_iter=5000).fit(x[train], np.asarray(labels)[train])
    assert values[test] == pytest.approx(model.predict_proba(x[test]), abs=1e-4)


@pytest.mark.parametrize("task", [Regression(), Survival("months", (5.0, 20.0))], ids=["regression", "survival"])
def test_other_tasks_use_their_own_model(monkeypatch: pytest.MonkeyPatch, task: Any) -> None:
    labels = [f"{1 + number * 7 % 40}" for number in range(40)]
    rows, columns, slides = cohort(monkeypatch, task, labels)
    # the age determines the label, except for one unknown age
    columns["age"] = ["" if slide == "s03" else label for slide, label in zip(slides, labels, strict=True)]
    values = fit_clinical(rows, Path(), columns)[:, 0]
    sign = -1 if task.name == "survival" else 1  # later events have a lower risk
    known = np.arange(40) != 3
    assert np.corrcoef(sign * values[known], np.asarray(labels, float)[known])[0, 1] > 0.9
