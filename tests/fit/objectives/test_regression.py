"""The objective of regression: standardised targets, two losses, and numbers on the scale of the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.fit.objectives.regression import RegressionObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.regression import Regression

TARGETS = np.array([1.0, 3.0, 5.0, 7.0])  # mean 4, deviation sqrt(5)
OUTPUTS = np.array([[-1.0], [0.5], [0.0], [4.0]], np.float32)


def objective(**settings: Any) -> RegressionObjective:
    parsed = ObjectiveSettings.model_validate({"task": "regression", **settings})
    return RegressionObjective.for_training(Regression(), parsed, TARGETS)


def test_the_checkpoint_keeps_the_scale_of_the_training_targets() -> None:
    made = objective()
    assert made.record() == {"mean": 4.0, "deviation": pytest.approx(np.sqrt(5))}
    again = RegressionObjective.from_record(Regression(), made.record())
    assert np.array_equal(again.values(OUTPUTS), made.values(OUTPUTS))
    plain = RegressionObjective.from_record(Regression(), {})
    assert plain.values(OUTPUTS).tolist() == OUTPUTS.tolist()
    assert made.outputs == ("standardised",)


@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_each_slide_has_the_loss_of_its_standardised_target(loss: str) -> None:
    found = objective(loss=loss).loss(torch.tensor(OUTPUTS), torch.tensor(TARGETS)).numpy()
    error = np.abs(OUTPUTS[:, 0] - (TARGETS - 4) / np.sqrt(5))
    expected = error**2 if loss == "mse" else np.where(error <= 1, error**2 / 2, error - 0.5)
    assert found == pytest.approx(expected, rel=1e-6)
    assert objective().kind == "huber", "the first loss of the task is its default"


def test_values_are_on_the_scale_of_the_labels_and_scores_contain_the_mean_loss() -> None:
    made = objective(loss="mse")
    values = made.values(OUTPUTS)
    assert values == pytest.approx(OUTPUTS * np.sqrt(5) + 4) and values.dtype == np.float64
    scores = made.validation_scores(OUTPUTS, TARGETS)
    loss = made.loss(torch.tensor(OUTPUTS.astype(np.float64)), torch.tensor(TARGETS))
    assert scores["val_loss"] == pytest.approx(float(loss.mean()))
    assert scores["val_mae"] == pytest.approx(float(np.abs(values[:, 0] - TARGETS).mean()))
