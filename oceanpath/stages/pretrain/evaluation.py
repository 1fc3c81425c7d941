"""Evaluation on fixed views of the validation slides: monitors, validation loss, and the collapse check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.float32 import fast_float32
from oceanpath.ssl.methods.base import Method, StepContext
from oceanpath.ssl.monitors.collapse import Shape
from oceanpath.ssl.monitors.report import monitor
from oceanpath.stages.pretrain.step_plan import merge_small
from oceanpath.stages.pretrain.views import ViewSampler

CHUNK = 32
"""Slides per batch of an evaluation."""

Floats = NDArray[np.float32]


class Evaluation(NamedTuple):
    """The result of one evaluation."""

    values: dict[str, float]
    """Monitors and `val_loss` by name."""
    embeddings: Floats
    """[N, E], of the first view of each slide."""
    projections: Floats
    """[N, P]."""


@dataclass(frozen=True)
class Bags:
    """Slides: their numbers in the store, patients as numbers, and classes for methods that learn them."""

    numbers: list[int]
    patients: list[int]
    classes: list[int] | None

    def at(self, positions: Sequence[int]) -> Bags:
        """Some of them, in this order."""
        classes = None if self.classes is None else [self.classes[k] for k in positions]
        return Bags([self.numbers[k] for k in positions], [self.patients[k] for k in positions], classes)


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a method; the views are the same each time."""

    bags: Bags
    pairs: ViewSampler
    """Two global views, for the monitors."""
    views: ViewSampler
    """The views of the method, for its loss."""
    device: torch.device
    limit: int
    """Maximum number of slides for the monitors: the first ones."""

    @torch.no_grad()
    def __call__(self, method: Method, total: int) -> Evaluation:
        """Evaluate in eval mode; the mode of the method is restored. `total` is the number of steps of the training."""
        was_training = method.training
        method.eval()
        with fast_float32(self.device):
            views, projections = self._embed(method)
            values = {"val_loss": self._loss(method, total), **monitor(views)}
        method.train(was_training)
        return Evaluation(values, views[0], projections)

    def mean_pool(self) -> Shape:
        """The shape of the means of the patches of the same views."""
        means = [[features.float().mean(dim=0) for features in a.split(a.features)] for a, _ in self._pairs()]
        return Shape.of(torch.stack([row for chunk in means for row in chunk]).cpu().numpy())

    def _embed(self, method: Method) -> tuple[Floats, Floats]:
        """Embeddings [2, N, E] and projections [N, P]."""
        first, second, projections = list[Tensor](), list[Tensor](), list[Tensor]()
        for a, b in self._pairs():
            first.append(method.encoder.forward_packed(a)[0].float())
            second.append(method.encoder.forward_packed(b)[0].float())
            projections.append(method.project(first[-1]).float())
        views = torch.stack([torch.cat(first), torch.cat(second)])
        return views.cpu().numpy(), torch.cat(projections).cpu().numpy()

    def _pairs(self) -> list[tuple[Batch, ...]]:
        numbers = self.bags.numbers[: self.limit]
        chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        return [tuple(view.to(self.device) for view in self.pairs.batch(chunk, 0)) for chunk in chunks]

    def _loss(self, method: Method, total: int) -> float:
        """The mean loss over slides, with temperatures and weights of the end of the training."""
        context = StepContext(total, total)
        every = range(len(self.bags.numbers))
        chunks = merge_small([list(every[k : k + CHUNK]) for k in range(0, len(every), CHUNK)], method.least_bags)
        losses = []
        for chunk in chunks:
            bags = self.bags.at(chunk)
            views = [view.to(self.device) for view in self.views.batch(bags.numbers, 0, bags.classes)]
            patients = torch.tensor(bags.patients, device=self.device)
            value = method.loss(views, StepContext(context.number, total, patients=patients)).value
            losses.append(float(value) * len(chunk))
        return sum(losses) / len(every)
