from __future__ import annotations

import pytest
import torch

from oceanpath.errors import ExperimentError
from oceanpath.fit.objectives import registry
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.registry import (
    ObjectiveEntry,
    objective_class,
    objective_entry,
    read_objective,
    register_objective,
)
from oceanpath.tasks.classification import Classification

TASK = Classification(["a", "b"])


def test_classification_has_its_objective_with_its_losses_and_keys() -> None:
    entry = objective_entry("classification")
    assert entry.losses == ("ce", "focal"), "the first is the default"
    assert set(entry.keys) == {"focal_gamma", "label_smoothing", "balance"}
    assert entry.has_class_targets
    assert objective_class(TASK) is ClassificationObjective


def test_a_checkpoint_is_read_by_the_objective_of_its_task() -> None:
    objective = read_objective(TASK, {})
    assert isinstance(objective, ClassificationObjective)
    assert objective.task is TASK
    assert objective.loss(torch.zeros(1, 2), torch.tensor([0])).item() == pytest.approx(0.6931472)


def test_a_task_has_one_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    entry = ObjectiveEntry("package.module:Class", ("mse",))
    register_objective("dose", entry)
    assert objective_entry("dose") is entry
    assert not entry.has_class_targets
    with pytest.raises(ValueError, match="'dose' already has an objective"):
        register_objective("dose", entry)


def test_installed_packages_are_loaded_for_an_unknown_task_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = list[str]()

    def load(group: str) -> None:
        groups.append(group)
        register_objective("dose", ObjectiveEntry("package.module:Class", ("mse",)))

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    monkeypatch.setattr(registry, "load_plugins", load)
    objective_entry("classification")
    assert groups == []
    assert objective_entry("dose").losses == ("mse",)
    assert groups == ["oceanpath.objectives"]


def test_a_task_without_an_objective_is_an_error_that_lists_those_with_one() -> None:
    with pytest.raises(
        ExperimentError,
        match=r"\[data\] task.*cannot be trained.*classification, multilabel, ordinal, regression, survival.*'?absent",
    ):
        objective_entry("absent")
