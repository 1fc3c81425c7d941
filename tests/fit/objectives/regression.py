"""The objective of the regression task of the tests: squared error on the scale of the training targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task


class RegressionObjective(Objective):
    """One output, standardised."""

    def __init__(self, task: Task, mean: float, scale: float) -> None:
        self.task, self.mean, self.scale = task, mean, scale

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: NDArray[Any]) -> Self:  # one loss
        return cls(task, float(targets.mean()), float(targets.std()))

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:
        return cls(task, record["mean"], record["scale"])

    def record(self) -> dict[str, Any]:
        return {"mean": self.mean, "scale": self.scale}

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("value",)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs[:, 0] - (targets - self.mean) / self.scale) ** 2

    def values(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        return outputs.astype(np.float64) * self.scale + self.mean
