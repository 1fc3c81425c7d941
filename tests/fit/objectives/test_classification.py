from __future__ import annotations

import numpy as np
import pytest
import torch

from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.classification import ClassificationObjective, softmax
from oceanpath.fit.objectives.losses import balanced_weights, build_loss
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.classification import Classification

TASK = Classification(["a", "b", "c"])
TARGETS = np.array([0, 0, 0, 1, 2, 2])
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.5, 0.3, -0.2]])
LABELS = torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("settings", "weighted", "options"),
    [
        ({}, False, {}),
        ({"balance": "loss"}, True, {}),
        ({"balance": "sampling"}, False, {}),
        ({"loss": "focal"}, False, {"gamma": 2.0}),
        ({"loss": "focal", "focal_gamma": 0.5, "balance": "loss"}, True, {"gamma": 0.5}),
        ({"label_smoothing": 0.2}, False, {"smoothing": 0.2}),
    ],
)
def test_the_loss_is_that_of_the_settings(
    settings: dict[str, object], weighted: bool, options: dict[str, float]
) -> None:
    parsed = ObjectiveSettings.model_validate(settings)
    objective = ClassificationObjective.for_training(TASK, parsed, TARGETS)
    weights = balanced_weights(torch.from_numpy(TARGETS), 3) if weighted else None
    expected = build_loss(parsed.loss, weights, options.get("gamma", 2.0), options.get("smoothing", 0.0))
    torch.testing.assert_close(objective.loss(LOGITS, LABELS), expected(LOGITS, LABELS))


def test_a_checkpoint_has_plain_cross_entropy_and_one_output_per_class() -> None:
    objective: Objective = ClassificationObjective.from_record(TASK, {})
    torch.testing.assert_close(objective.loss(LOGITS, LABELS), build_loss("ce")(LOGITS, LABELS))
    assert tuple(objective.outputs) == ("a", "b", "c")
    assert objective.record() == {}


def test_classes_are_drawn_equally_often_only_if_sampling_is_balanced() -> None:
    objective = ClassificationObjective.from_record(TASK, {})
    assert objective.sampling_strata(ObjectiveSettings(balance="sampling"), TARGETS) == TARGETS.tolist()
    for balance in ("none", "loss"):
        assert objective.sampling_strata(ObjectiveSettings.model_validate({"balance": balance}), TARGETS) is None


def test_values_are_the_softmax_of_each_row_in_float64_even_for_large_logits() -> None:
    logits = np.array([[1000.0, 999.0, 0.0], [0.0, 1.0, 2.0], [-1000.0, -1000.0, -1000.0]], np.float32)
    values = ClassificationObjective.from_record(TASK, {}).values(logits)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, torch.softmax(torch.from_numpy(logits).double(), 1).numpy(), rtol=1e-12)
    assert softmax(np.zeros((0, 3))).shape == (0, 3)
