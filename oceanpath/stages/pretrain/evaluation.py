"""Evaluation on fixed views of the validation slides: monitors, validation loss, and the collapse check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.view_loader import ViewLoader
from oceanpath.models.float32 import fast_float32
from oceanpath.ssl.methods.base import Method, StepContext, embed
from oceanpath.ssl.monitors.collapse import Shape
from oceanpath.ssl.monitors.report import monitor

CHUNK = 32
"""Slides per batch of monitored views."""

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
class Slides:
    """The slides of a training or of its validation, and how their views are drawn."""

    loader: ViewLoader
    patients: list[int]
    """Patient of each position, as a number."""

    def patients_of(self, draws: Sequence[Draw], device: torch.device) -> Tensor:
        """[B] int64."""
        return torch.tensor([self.patients[draw.position] for draw in draws], device=device)


@dataclass(frozen=True)
class Evaluator:
    """Evaluates a method; the views are the same each time."""

    slides: Slides
    """The validation slides, with the views of the method."""
    pairs: ViewLoader
    """Two random samples of the monitored slides, without further augmentation."""
    device: torch.device

    def __call__(self, method: Method, total: int) -> Evaluation:
        """Evaluate in eval mode; the mode of the method is restored. `total` is the number of steps of the training."""
        with self._evaluating(method):
            views, projections = self._embed(method)
            values = {"val_loss": self._loss(method, total), **monitor(views)}
        return Evaluation(values, views[0], projections)

    def embed(self, method: Method) -> tuple[Floats, Floats]:
        """Embeddings [N, E] and projections [N, P] of an `Evaluation`, without its values."""
        with self._evaluating(method):
            views, projections = self._embed(method)
        return views[0], projections

    @contextmanager
    def _evaluating(self, method: Method) -> Iterator[None]:
        was_training = method.training
        method.eval()
        with torch.no_grad(), fast_float32(self.device):
            yield
        method.train(was_training)

    def mean_pool(self) -> Shape:
        """The shape of the means of the patches of the same views."""
        means = [features.float().mean(dim=0) for a, _ in self._pairs() for features in a.split(a.features)]
        return Shape.of(torch.stack(means).cpu().numpy())

    def _embed(self, method: Method) -> tuple[Floats, Floats]:
        """Embeddings [2, N, E] and projections [N, P]."""
        pairs = [tuple(embed(method.encoder, view).float() for view in pair) for pair in self._pairs()]
        first, second = (torch.cat(views) for views in zip(*pairs, strict=True))
        projections = method.project(first).float()
        return torch.stack([first, second]).cpu().numpy(), projections.cpu().numpy()

    def _pairs(self) -> Iterator[tuple[Batch, Batch]]:
        count = len(self.pairs.dataset)
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        for a, b in self.pairs.ahead([[Draw(k, 0) for k in chunk] for chunk in chunks]):
            yield a.to(self.device), b.to(self.device)

    def _loss(self, method: Method, total: int) -> float:
        """The mean loss over slides, with the temperatures of the end of the training."""
        loader = self.slides.loader
        loader.batches.set_epoch(0)
        batches, losses = list(loader.batches), list[float]()
        for draws, views in zip(batches, loader.ahead(batches), strict=True):
            patients = self.slides.patients_of(draws, self.device)
            context = StepContext(total, total, patients=patients)
            loss = method.loss([view.to(self.device) for view in views], context)
            losses.append(float(loss.value) * len(draws))
        return sum(losses) / sum(map(len, batches))
