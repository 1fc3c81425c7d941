"""BYOL: see `oceanpath.ssl.losses.byol`. Projector and predictor have two layers, as in the paper, section 3.3.

The teacher is in eval mode: its embeddings have no dropout, and its batch statistics are the student's running means.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.heads import perceptron
from oceanpath.ssl.losses.byol import normalised_distance
from oceanpath.ssl.methods.base import Loss, Method, StepContext
from oceanpath.ssl.methods.settings import BYOLSettings
from oceanpath.ssl.teacher import Teacher, momentum_at


class BYOL(Method):
    """Two views; both directions."""

    selects_by = "lidar"

    def __init__(self, settings: BYOLSettings, aggregator: BaseMIL, _: int) -> None:
        widths = settings.hidden, settings.out
        super().__init__(aggregator, perceptron(aggregator.embed_dim, *widths, layers=2, by_batch=True))
        self.predictor = perceptron(settings.out, *widths, layers=2, by_batch=True)
        self.teacher = Teacher(self.student)
        self.ema = settings.ema

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:  # noqa: ARG002  # the same in all steps
        """See `Method.loss`."""
        with torch.no_grad():
            targets = [self.teacher.module(view) for view in views]
        predictions = [self.predictor(self.student(view)) for view in views]
        distances = [normalised_distance(predictions[0], targets[1]), normalised_distance(predictions[1], targets[0])]
        return Loss((distances[0] + distances[1]) / 2)

    def after_update(self, context: StepContext) -> None:
        """Move the teacher."""
        self.teacher.follow(self.student, momentum_at(context.number, context.total, self.ema))
