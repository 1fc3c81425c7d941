"""What objectives read of the settings, and what they return for other purposes than the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.errors import StageError
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import build_loss
from oceanpath.fit.objectives.ordinal import OrdinalObjective
from oceanpath.fit.objectives.registry import objective_class, objective_entry
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.objectives.survival import SurvivalObjective, bin_edges
from oceanpath.fit.objectives.survival_losses import cox_losses
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.ordinal import Ordinal
from oceanpath.tasks.survival import Survival

from ...published_settings import check_keys, check_shared_keys, read_reference

ENTRIES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], bool]] = {
    "classification": (
        "ClassificationObjective",
        ("ce", "focal"),
        ("focal_gamma", "label_smoothing", "balance"),
        True,
    ),
    "ordinal": ("OrdinalObjective", ("cumulative_link",), ("balance",), False),
    "multilabel": ("MultilabelObjective", ("bce",), ("balance", "target_weights"), False),
    "survival": ("SurvivalObjective", ("cox", "nll"), ("ties", "window", "time_bins"), False),
    "regression": ("RegressionObjective", ("huber", "mse"), (), False),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_each_task_has_its_objective_losses_and_keys(name: str) -> None:
    entry = objective_entry(name)
    class_name, losses, keys, has_class_targets = ENTRIES[name]
    assert (entry.losses, entry.keys, entry.has_class_targets) == (losses, keys, has_class_targets)
    task: Any = type("Named", (), {"name": name})()
    assert objective_class(task).__name__ == class_name
    settings = ObjectiveSettings.model_validate({"task": name})
    assert settings.loss == losses[0]
    every = {"focal_gamma", "label_smoothing", "balance", "window", "ties", "time_bins", "target_weights"}
    assert settings.keys_not_allowed() == every - set(keys)


def test_keys_ranges_and_defaults_are_those_of_the_reference() -> None:
    published = read_reference()["properties"]["train"]["properties"]
    own = {name: part for name, part in published.items() if name in ObjectiveSettings.model_fields}
    check_keys(ObjectiveSettings, {"properties": own})
    check_shared_keys(ObjectiveSettings)


def test_biases_start_at_the_class_frequencies_unless_classes_are_balanced() -> None:
    made = ClassificationObjective(Classification(["a", "b"]), build_loss("ce"))
    targets = np.array([0, 0, 0, 0, 0, 1])
    found = made.initial_bias(ObjectiveSettings(), targets)
    assert np.exp(found) == pytest.approx([6 / 8, 2 / 8])
    for balance in ("loss", "sampling"):
        settings = ObjectiveSettings.model_validate({"balance": balance})
        assert made.initial_bias(settings, targets).tolist() == [0.0, 0.0]
    assert made.values_of_logits(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]


def test_an_ordinal_model_has_an_output_per_threshold() -> None:
    made = OrdinalObjective(Ordinal(["a", "b", "c"]))
    assert made.outputs == ("from b", "from c")
    targets = np.array([0, 1, 2])
    assert made.sampling_strata(ObjectiveSettings(task="ordinal", balance="sampling"), targets) == [0, 1, 2]
    assert made.sampling_strata(ObjectiveSettings(task="ordinal"), targets) is None
    assert OrdinalObjective.from_record(made.task, {}).classes == made.classes


def survival(**settings: Any) -> ObjectiveSettings:
    return ObjectiveSettings.model_validate({"task": "survival", **settings})


@pytest.mark.parametrize(("events", "slides", "window", "least"), [(2, 9, 4, 5), (3, 10, 3, 4), (1, 8, 7, 8)])
def test_a_window_contains_an_event_on_average_or_the_least_size_is_stated(
    events: int, slides: int, window: int, least: int
) -> None:
    targets = np.where(np.arange(slides) < events, 5.0, -5.0)
    made = SurvivalObjective.for_training(Survival("months", [4.0]), survival(), targets)
    with pytest.raises(StageError, match=rf"{events} events in {slides} slides.*train\.window to {least} or more"):
        made.window(survival(window=window), targets)
    found = made.window(survival(window=least), targets)
    assert found is not None and found.size == least
    assert list(found.required) == (targets > 0).tolist()


def test_discrete_times_need_no_window_and_name_their_outputs() -> None:
    targets = np.array([1.0, 2.0, 3.0, 4.0, -9.0])
    made = SurvivalObjective.for_training(Survival("months", [4.0]), survival(loss="nll", time_bins=2), targets)
    assert made.window(survival(), targets) is None
    assert made.curves.edges == (2.5, 9.0) and made.outputs == ("until_2.5", "until_9")
    assert made.record() == {"edges": [2.5, 9.0]}
    assert made.completed(np.zeros((5, 2)), targets) is made
    cox = SurvivalObjective.for_training(made.task, survival(ties="breslow"), targets)
    assert (cox.ties, cox.outputs, cox.record()) == ("breslow", ("log_hazard",), {"log_hazard": []})


def test_the_last_bin_ends_at_the_last_time_once() -> None:
    assert bin_edges(np.array([1.0, 2.0, 3.0, 3.0, 3.0]), 4) == (2.0, 3.0)
    assert bin_edges(np.array([3.0, 3.0, 3.0]), 2) == (3.0,)


def test_slides_without_events_are_refused_in_validation_and_have_no_loss_in_training() -> None:
    targets = np.array([-1.0, -2.0])
    made = SurvivalObjective.for_training(Survival("months", [4.0]), survival(), np.array([1.0, -2.0]))
    with pytest.raises(StageError, match="no validation slide has an event"):
        made.validation_scores(np.zeros((2, 1)), targets)
    risk, time = torch.zeros(2), torch.tensor([1.0, 2.0])
    for ties in ("efron", "breslow"):
        losses = cox_losses(risk, time, torch.zeros(2, dtype=torch.bool), ties)
        assert losses.tolist() == [0.0, 0.0]
    late = np.array([9.0, -9.0])
    with pytest.raises(StageError, match="until the last horizon"):
        made.completed(np.zeros((2, 1)), late)


@pytest.mark.parametrize("tied", [1, 2, 3])
def test_tied_events_of_equal_risk_have_the_loss_of_efron(tied: int) -> None:
    """-log of the product over k of 1 / (n - k) for n slides of equal risk, of which the tied ones are first."""
    time, event = torch.tensor([1.0] * tied + [2.0, 3.0]), torch.tensor([True] * tied + [False, False])
    losses = cox_losses(torch.zeros(tied + 2), time, event, "efron")
    expected = sum(np.log(tied + 2 - k) for k in range(tied)) / tied
    assert losses.mean().item() == pytest.approx(expected, rel=1e-6)
