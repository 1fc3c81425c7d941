"""Several binary labels: one logit per label, binary cross-entropy of the known ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.multilabel import Multilabel

Floats = NDArray[np.float64]


class MultilabelObjective(Objective):
    """One logit per label."""

    def __init__(self, task: Task, weights: Tensor | None = None) -> None:
        """`weights` [2, L] multiply the loss of labels that are absent and present."""
        assert isinstance(task, Multilabel), "the registry pairs them"
        self.task, self.names, self._weights = task, task.names, weights

    @classmethod
    def for_training(cls, task: Task, settings: ObjectiveSettings, targets: Floats) -> Self:
        """With the weights of the labels and, with ``balance = "loss"``, by the inverse frequency of their values."""
        assert isinstance(task, Multilabel), "the registry pairs them"
        weights = _balanced_weights(targets) if settings.balance == "loss" else None
        if settings.target_weights:
            of_labels = _label_weights(task.names, settings.target_weights)
            weights = of_labels if weights is None else weights * of_labels
        return cls(task, weights)

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:  # noqa: ARG003  # the task is all it needs
        """Without weights."""
        return cls(task)

    @property
    def outputs(self) -> tuple[str, ...]:
        """One logit per label."""
        return self.names

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy [B] of the known labels of each slide, divided by the number of all labels."""
        is_known = ~torch.isnan(targets)
        wanted = torch.where(is_known, targets, 0.0).to(outputs)
        losses = F.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        if self._weights is not None:
            absent, present = self._weights.to(losses)
            losses = losses * torch.where(wanted == 1, present, absent)
        return (losses * is_known).sum(dim=1) / len(self.names)

    def values(self, outputs: NDArray[np.floating]) -> Floats:
        """The probability of each label."""
        wide = outputs.astype(np.float64)
        return np.asarray(np.exp(-np.logaddexp(0.0, -wide)))

    def exported_values(self, outputs: Tensor) -> Tensor:
        """The probability of each label."""
        return 1.0 / (1.0 + torch.exp(-outputs.double()))

    def initial_bias(self, settings: ObjectiveSettings, targets: Floats) -> Floats:
        """Log odds of each label, with one more slide per value; 0 if labels are balanced."""
        if settings.balance != "none":
            return np.zeros(len(self.names))
        present, absent = (targets == 1).sum(axis=0) + 1.0, (targets == 0).sum(axis=0) + 1.0
        return np.asarray(np.log(present / absent), np.float64)

    def sampling_strata(self, settings: ObjectiveSettings, targets: Floats) -> list[int] | None:
        """The combinations of labels if ``balance = "sampling"``."""
        if settings.balance != "sampling":
            return None
        rows = np.nan_to_num(targets, nan=2.0)
        return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).tolist()


def _label_weights(names: Sequence[str], weights: Mapping[str, float]) -> Tensor:
    """Weights [2, L] of the labels, with mean 1."""
    own = torch.tensor([weights.get(name, 1.0) for name in names])
    return (own / own.mean()).expand(2, -1)


def _balanced_weights(targets: Floats) -> Tensor:
    """Weights [2, L] of absent and present labels, with mean 1 over the known ones of each label."""
    counts = np.stack([(targets == value).sum(axis=0) for value in (0, 1)]).astype(np.float64)
    return torch.from_numpy(counts.sum(axis=0) / (2 * np.maximum(counts, 1.0))).float()
