"""Regression: one output on the scale of standardised training targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task

Floats = NDArray[np.float64]


class Scale(NamedTuple):
    """Mean and standard deviation of the training targets."""

    mean: float
    deviation: float


class RegressionObjective(Objective):
    """Huber loss or squared error of the standardised number."""

    def __init__(self, task: Task, scale: Scale, loss: str = "mse") -> None:
        self.task, self.scale, self.kind = task, scale, loss

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: Floats) -> Self:
        """The scale of the training targets, and the loss of the settings."""
        return cls(task, Scale(float(targets.mean()), float(targets.std())), settings.loss)

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:
        """The scale of a checkpoint."""
        return cls(
            task, Scale(*(float(record.get(name, default)) for name, default in (("mean", 0), ("deviation", 1))))
        )

    def record(self) -> dict[str, Any]:
        """The scale."""
        return self.scale._asdict()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The standardised number."""
        return ("standardised",)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each slide [B]; Huber's is linear beyond one standard deviation."""
        wanted = (targets - self.scale.mean) / self.scale.deviation
        if self.kind == "huber":
            return F.huber_loss(outputs[:, 0], wanted.to(outputs), reduction="none")
        return (outputs[:, 0] - wanted.to(outputs)) ** 2

    def validation_scores(self, outputs: NDArray[np.floating], targets: Floats) -> dict[str, float | None]:
        """The loss, and the scores of the task."""
        loss = self.loss(torch.from_numpy(outputs.astype(np.float64)), torch.from_numpy(targets)).mean()
        return {"val_loss": float(loss), **self.task.validation_scores(self.values(outputs), targets)}

    def values(self, outputs: NDArray[np.floating]) -> Floats:
        """The number on the scale of the labels."""
        return outputs.astype(np.float64) * self.scale.deviation + self.scale.mean

    def exported_values(self, outputs: Tensor) -> Tensor:
        """The number on the scale of the labels."""
        return outputs.double() * self.scale.deviation + self.scale.mean
