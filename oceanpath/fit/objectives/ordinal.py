"""Ordinal classification: cumulative logits that decrease with the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from oceanpath.fit.objectives.base import Explained, Objective
from oceanpath.fit.objectives.classification import softmax
from oceanpath.fit.objectives.losses import balanced_weights
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.ordinal import Ordinal


class OrdinalObjective(Objective):
    """P(class ≥ k) = sigmoid(a₁ - s₂ - … - sₖ) with steps sⱼ = softplus(aⱼ), so that it decreases with k.

    A cumulative-link model (McCullagh 1980); its thresholds may depend on the slide, as in partial proportional odds.
    """

    def __init__(self, task: Task, weights: Tensor | None = None) -> None:
        assert isinstance(task, Ordinal), "the registry pairs them"
        self.task, self.classes, self._weights = task, task.classes, weights

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: NDArray[np.int64]) -> Self:
        """With ``balance = "loss"``, class weights are computed from `targets`."""
        balanced = settings.balance == "loss"
        return cls(task, balanced_weights(torch.from_numpy(targets), len(task.columns)) if balanced else None)

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:  # noqa: ARG003  # the task is all it needs
        """Without class weights."""
        return cls(task)

    @property
    def outputs(self) -> tuple[str, ...]:
        """One output per threshold."""
        return tuple(f"from {name}" for name in self.classes[1:])

    def class_logits(self, outputs: Tensor) -> Tensor:
        """Log probabilities [B, C] of the classes.

        With cumulative logits c, P(k) = sigmoid(cₖ) sigmoid(-cₖ₊₁) sigmoid(aₖ₊₁) between the first and the last class,
        since 1 - exp(-softplus(a)) = sigmoid(a): no difference of two probabilities is computed.
        """
        steps = torch.cat([outputs[:, :1], -F.softplus(outputs[:, 1:])], dim=1)
        cumulative = torch.cumsum(steps, dim=1)
        above, below = F.logsigmoid(cumulative), F.logsigmoid(-cumulative)
        inner = above[:, :-1] + below[:, 1:] + F.logsigmoid(outputs[:, 1:])
        return torch.cat([below[:, :1], inner, above[:, -1:]], dim=1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Negative log probability of the class of each slide [B]."""
        losses = F.nll_loss(self.class_logits(outputs), targets, reduction="none")
        return losses if self._weights is None else losses * self._weights.to(losses)[targets]

    def values_of_logits(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities of log probabilities."""
        return softmax(logits)

    def values(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """Class probabilities."""
        return softmax(self.class_logits(torch.from_numpy(outputs.astype(np.float64))).numpy())

    def explained(self, outputs: NDArray[np.floating]) -> Explained:  # noqa: ARG002  # the same for every slide
        """The logit of the first threshold, the only one that is linear in the embedding."""
        return Explained(f"log odds of {self.outputs[0]}", np.eye(len(self.outputs))[0])

    def sampling_strata(self, settings: ObjectiveSettings, targets: NDArray[np.int64]) -> list[int] | None:
        """The classes if ``balance = "sampling"``."""
        return targets.tolist() if settings.balance == "sampling" else None
