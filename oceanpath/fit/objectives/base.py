"""The interface of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.batching.windows import Window
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Column


class Explained(NamedTuple):
    """A linear combination of the outputs of a model."""

    name: str
    weights: NDArray[np.float64]
    """[C]."""


class Objective(ABC):
    """The outputs of the model, their loss, and their conversion to the values of a prediction table."""

    task: Task

    @classmethod
    @abstractmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: NDArray[Any]) -> Self:
        """The objective for these training targets [n]."""

    @classmethod
    @abstractmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:
        """The objective of a checkpoint: for predictions, without the settings of the loss."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Names of the model's outputs, in order."""

    def record(self) -> dict[str, Any]:
        """What predictions need in addition to the task, as plain values for the checkpoint, such as a scale."""
        return {}

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Loss of each slide [B] of outputs [B, C] and targets [B]; with a `window`, of its slides together."""

    def window(self, settings: ObjectiveSettings, targets: NDArray[Any]) -> Window | None:  # noqa: ARG002  # most losses are of single slides
        """The slides that one loss needs if it compares slides; None: every batch has a loss of its own."""
        return None

    def validation_scores(self, outputs: NDArray[np.floating], targets: NDArray[Any]) -> dict[str, float | None]:
        """The scores of `Task.validation_scores`, from outputs [n, C] of the validation rows."""
        return self.task.validation_scores(self.values(outputs), targets)

    def completed(self, outputs: NDArray[np.floating], targets: NDArray[Any]) -> Self:  # noqa: ARG002  # most need no more
        """This objective, with what `values` needs from outputs [n, C] of the training rows at the selected epoch."""
        return self

    def class_logits(self, outputs: Tensor) -> Tensor:
        """Logits [B, C] of the classes, whose softmax is `values`, for tasks that can be exported."""
        return outputs

    def values_of_logits(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [n, K] from `class_logits`."""
        return self.values(logits)

    @abstractmethod
    def values(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values [n, K] of a prediction table from outputs [n, C]."""

    def exported_values(self, outputs: Tensor) -> Tensor:
        """`values` [B, K] float64 of outputs [B, C], in operations that ONNX has; for tasks without classes.

        A test compares both, and an export compares it with the stored predictions.
        """
        raise NotImplementedError

    def describe_columns(self) -> list[Column]:
        """Meaning and unit of each value."""
        return self.task.describe_columns()

    def explained(self, outputs: NDArray[np.floating]) -> Explained:  # noqa: ARG002  # most do not depend on them
        """The linear combination of the outputs [C] of a slide that explanations of its patches refer to."""
        names = self.outputs
        return Explained(names[0] if len(names) == 1 else "mean of the outputs", np.full(len(names), 1 / len(names)))

    def initial_bias(self, settings: ObjectiveSettings, targets: NDArray[Any]) -> NDArray[np.float64] | None:  # noqa: ARG002  # most have none
        """Biases [C] with which untrained outputs have the frequencies of these targets [n]; None: unchanged."""
        return None

    def sampling_strata(self, settings: ObjectiveSettings, targets: NDArray[Any]) -> list[int] | None:  # noqa: ARG002  # most do not balance
        """Stratum [n] of each training slide if strata are drawn equally often; None = each slide once per epoch."""
        return None
