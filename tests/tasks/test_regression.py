"""Regression: numbers in the label column, and an objective on their standardised scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
from oceanpath.errors import StageError, together
from oceanpath.fit.objectives.regression import RegressionObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.stats.resample import draw_patients
from oceanpath.tasks.regression import Regression

TARGETS = np.array([2.0, 4.0, 9.0, 30.0])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["1", "high", "3"], ["labels are not numbers", "'high' in line 3"]),
        (["1", '"2,5"', "3"], ["labels are not numbers", "Use a decimal point."]),
        (["1", "inf", "3"], ["labels are not numbers"]),
        (["2", "2.0", ""], ["all labels are the same number"]),
    ],
)
def test_labels_that_are_not_numbers_are_named_with_their_lines(tmp_path: Path, cells, words) -> None:
    lines = [f"s{k},p{k},{cell}" for k, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join(["slide_id,patient_id,label", *lines]))
    text = together(read_cohort(tmp_path / "t.csv", TableQuery(target=Regression())).problems).render()
    assert all(word in text for word in words), text


def objective(loss: str) -> RegressionObjective:
    return RegressionObjective.for_training(Regression(), ObjectiveSettings(task="regression", loss=loss), TARGETS)


def test_losses_are_on_the_standardised_scale_and_values_on_that_of_the_labels() -> None:
    standard = (TARGETS - TARGETS.mean()) / TARGETS.std()
    outputs, targets = torch.zeros((4, 1), dtype=torch.float64), torch.from_numpy(TARGETS)
    assert objective("mse").loss(outputs, targets).numpy() == pytest.approx(standard**2)
    huber = np.where(np.abs(standard) <= 1, standard**2 / 2, np.abs(standard) - 0.5)
    assert objective("huber").loss(outputs, targets).numpy() == pytest.approx(huber)
    done = RegressionObjective.from_record(Regression(), objective("mse").record())
    assert done.values(standard[:, None])[:, 0] == pytest.approx(TARGETS)
    scores = done.validation_scores(standard[:, None], TARGETS)
    assert scores == pytest.approx({"val_loss": 0, "val_mae": 0, "val_r2": 1})


def test_a_fold_with_one_value_cannot_be_trained() -> None:
    with pytest.raises(StageError, match="all training labels are the same number"):
        Regression().validate_training(np.full(5, 3.0), "fold 0")


def test_the_constant_baseline_has_an_r2_of_zero_and_ridge_finds_a_linear_relation() -> None:
    task, random = Regression(), np.random.default_rng(0)
    x = random.normal(size=(300, 2)).astype(np.float32)
    targets = 3 * x[:, 0].astype(float) + 50
    drawn = draw_patients([str(k) for k in range(300)], task.resampling_strata(targets), resamples=100)
    constant = np.tile(task.constant_baseline([targets]), (300, 1))
    assert task.evaluate(targets, constant, drawn).values["r2"] == pytest.approx(0)
    r2 = task.evaluate(targets, task.fit_baseline(x, targets, x), drawn).values["r2"]
    assert r2 is not None and r2 > 0.5  # the penalty is strong
