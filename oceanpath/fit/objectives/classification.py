"""Classification: one logit per class, cross-entropy or focal loss, softmax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.fit.objectives.base import Explained, Objective
from oceanpath.fit.objectives.losses import SlideLoss, balanced_weights, build_loss
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.classification import Classification


class ClassificationObjective(Objective):
    """One logit per class."""

    def __init__(self, task: Task, loss: SlideLoss) -> None:
        assert isinstance(task, Classification), "the registry pairs them"
        self.task, self.classes, self._loss = task, task.classes, loss

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: NDArray[np.int64]) -> Self:
        """The loss of the settings; with ``balance = "loss"`` class weights are computed from `targets`."""
        balanced = settings.balance == "loss"
        weights = balanced_weights(torch.from_numpy(targets), len(task.columns)) if balanced else None
        return cls(task, build_loss(settings.loss, weights, settings.focal_gamma, settings.label_smoothing))

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:  # noqa: ARG003  # the task is all it needs
        """Plain cross-entropy."""
        return cls(task, build_loss("ce"))

    @property
    def outputs(self) -> tuple[str, ...]:
        """One logit per class."""
        return self.classes

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy or focal loss [B]."""
        return self._loss(outputs, targets)

    def values(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities."""
        return softmax(outputs)

    def explained(self, outputs: NDArray[np.floating]) -> Explained:
        """Two classes: the log odds of the second one. More: the logit of the predicted class minus the mean others."""
        if len(self.classes) == 2:
            return Explained(f"log odds of {self.classes[1]}", np.array([-1.0, 1.0]))
        top, others = int(np.argmax(outputs)), len(self.classes) - 1
        weights = np.where(np.arange(others + 1) == top, 1.0, -1.0 / others)
        return Explained(f"logit of {self.classes[top]} against the other classes", weights)

    def initial_bias(self, settings: ObjectiveSettings, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Logarithms of the class frequencies, with one more slide per class; equal ones if classes are balanced."""
        if settings.balance != "none":
            return np.zeros(len(self.classes))
        counts = np.bincount(targets, minlength=len(self.classes)) + 1.0
        biases: NDArray[np.float64] = np.log(counts / counts.sum())
        return biases

    def sampling_strata(self, settings: ObjectiveSettings, targets: NDArray[np.int64]) -> list[int] | None:
        """The classes if ``balance = "sampling"``."""
        return targets.tolist() if settings.balance == "sampling" else None


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Class probabilities [n, C] in float64 of logits [n, C]."""
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True, initial=-np.inf))
    total: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return total
