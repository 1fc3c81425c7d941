"""The interface of a method of pretraining.

A method is one module: the aggregator that is trained, its heads, and for some methods a teacher and a centre. Its
state dict is all that a resumed training needs, with one copy of the aggregator and one of the teacher.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.distributed import gathered


@dataclass(frozen=True)
class ViewRequest:
    """The views of each bag that a method compares, in the order of `Method.loss`."""

    global_views: int = 2
    """Large random views; with `is_blocks` the context alone."""
    local_views: int = 0
    """Small random views or, with `is_blocks`, spatial blocks that the context lacks."""
    is_blocks: bool = False


@dataclass(frozen=True)
class StepContext:
    """What a method knows about the current optimiser step."""

    number: int
    """From 0; with gradient accumulation all batches of a step have the same number."""
    total: int
    """Number of optimiser steps of the whole training."""
    epoch: int = 0
    seed: int = 0
    """Of random numbers that the loss needs; another one in each step."""
    patients: Tensor | None = None
    """[B] int64, the patient of each bag."""


@dataclass(frozen=True)
class Loss:
    """The loss of one batch, and its terms for the log."""

    value: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """The loss and its terms."""
        return {name: float(term.detach()) for name, term in {"loss": self.value, **self.terms}.items()}


class Branch(nn.Module):
    """An aggregator and the head on its embeddings."""

    def __init__(self, aggregator: BaseMIL, head: nn.Module) -> None:
        super().__init__()
        self.aggregator, self.head = aggregator, head

    def forward(self, view: Batch) -> Tensor:
        """Projections [B, P] of a view."""
        projections: Tensor = self.head(embed(self.aggregator, view))
        return projections


def embed(aggregator: BaseMIL, view: Batch) -> Tensor:
    """Slide embeddings [B, E] of the whole batch, computed with padding where the batching strategy asks for it."""
    is_packed = view.padded_to is None
    own = aggregator.forward_packed(view)[0] if is_packed else aggregator.forward_features(*view.padded())[0]
    return gathered(own, view)


class Method(nn.Module, ABC):
    """One method over one aggregator."""

    selects_by: ClassVar[Literal["loss", "lidar"]] = "loss"
    """How the best step is chosen on validation views: the lowest loss or, where a teacher changes the meaning of the
    loss, the highest LiDAR."""
    least_bags: int = 2
    """Minimum number of bags per batch."""

    def __init__(self, aggregator: BaseMIL, head: nn.Module) -> None:
        super().__init__()
        self.student = Branch(aggregator, head)

    @property
    def aggregator(self) -> BaseMIL:
        """The aggregator that is trained."""
        return self.student.aggregator

    @property
    def encoder(self) -> BaseMIL:
        """The aggregator that is published and monitored: the student's, unless a method uses its teacher's."""
        return self.aggregator

    @property
    def views(self) -> ViewRequest:
        """The views that `loss` takes."""
        return ViewRequest()

    @abstractmethod
    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:
        """The loss of a batch: one `Batch` per requested view, all of the same bags in the same order."""

    def project(self, embeddings: Tensor) -> Tensor:
        """What the loss compares, [B, P], from slide embeddings [B, E]; the collapse check reads both."""
        projections: Tensor = self.student.head(embeddings)
        return projections

    def begin_step(self, context: StepContext) -> None:  # most methods have nothing to do
        """Called before the first batch of an optimiser step."""

    def before_update(self, context: StepContext) -> None:  # most methods have nothing to do
        """Called after the backward passes of a step, before its gradients are clipped."""

    def after_update(self, context: StepContext) -> None:  # most methods have nothing to do
        """Called after the optimiser has changed the weights; not called where a step was skipped."""
