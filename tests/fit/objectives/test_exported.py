"""What exported files compute and explain, in other code than training: both give the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import build_loss
from oceanpath.fit.objectives.multilabel import MultilabelObjective
from oceanpath.fit.objectives.regression import RegressionObjective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.objectives.survival import SurvivalObjective
from oceanpath.fit.objectives.survival_losses import discrete_losses
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.multilabel import Multilabel
from oceanpath.tasks.regression import Regression
from oceanpath.tasks.survival import Survival

RANDOM = np.random.default_rng(5)
TIMES = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, -8.0, -3.0])


def survival(loss: str) -> Any:
    settings = ObjectiveSettings.model_validate({"task": "survival", "loss": loss})
    made = SurvivalObjective.for_training(Survival("months", [2.5, 5.0, 7.5]), settings, TIMES)
    return made.completed(RANDOM.normal(size=(len(TIMES), 1)), TIMES)


OBJECTIVES: dict[str, Any] = {
    "multilabel": MultilabelObjective(Multilabel(["a", "b"])),
    "regression": RegressionObjective.for_training(Regression(), ObjectiveSettings(task="regression"), TIMES),
    "cox": survival("cox"),
    "nll": survival("nll"),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_exported_values_are_those_of_the_objective(name: str) -> None:
    """For outputs up to the bound of the model."""
    objective = OBJECTIVES[name]
    width = len(objective.outputs)
    outputs = np.r_[RANDOM.normal(0, 3, size=(9, width)), np.repeat(np.linspace(-100, 100, 5)[:, None], width, axis=1)]
    found = objective.exported_values(torch.from_numpy(outputs))
    with np.errstate(under="ignore"):
        assert found.numpy() == pytest.approx(objective.values(outputs), rel=1e-12, abs=1e-12)
    assert found.shape == (14, len(objective.task.columns)) and found.isfinite().all()


@pytest.mark.parametrize("time", [1.5, 3.5, 5.5, 7.5, 8.0])
def test_a_time_is_in_the_bin_that_ends_after_it(time: float) -> None:
    objective = OBJECTIVES["nll"]
    edges = list(objective.curves.edges)
    assert edges == sorted(edges) and edges[-1] == 8.0 and len(edges) == 4
    place = sum(edge < time for edge in edges)
    outputs = torch.from_numpy(RANDOM.normal(size=(1, len(edges))))
    found = objective.loss(outputs, torch.tensor([time]))
    assert torch.equal(found, discrete_losses(outputs, torch.tensor([place]), torch.tensor([True])))


def test_explanations_refer_to_log_odds_of_two_classes_and_to_contrasts_of_more() -> None:
    outputs = np.array([0.3, 1.1])
    two = ClassificationObjective(Classification(["a", "b"]), build_loss("ce"))
    probs = two.values(outputs[None])[0]
    explained = two.explained(outputs)
    assert explained.name == "log odds of b" and explained.weights @ outputs == pytest.approx(
        np.log(probs[1] / probs[0])
    )
    three = ClassificationObjective(Classification(["a", "b", "c"]), build_loss("ce"))
    assert three.explained(np.array([0.0, 2.0, 1.0])).weights.tolist() == [-0.5, 1.0, -0.5]
