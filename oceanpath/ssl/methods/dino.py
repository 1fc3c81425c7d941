"""DINO with multi-crop: see `oceanpath.ssl.losses.dino`.

The student sees all views, the teacher the global ones. As in the paper, section 3.2 and appendix: the centre is
updated once per optimiser step, the teacher's temperature rises linearly, and the prototypes rest in the first epoch.
The projector has three layers and a bottleneck of 256. Unlike in the paper, the bottleneck can be standardised over the
batch: see decision 0050.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.heads import Prototypes
from oceanpath.ssl.losses.dino import cross_view_entropy, moved_centre
from oceanpath.ssl.methods.base import Loss, Method, StepContext, ViewRequest
from oceanpath.ssl.methods.settings import DINOSettings
from oceanpath.ssl.teacher import Teacher, momentum_at


class DINO(Method):
    """Two global views and several local ones."""

    selects_by = "lidar"
    centre: Tensor

    def __init__(self, settings: DINOSettings, aggregator: BaseMIL, _: int) -> None:
        widths = settings.hidden, settings.out, settings.prototypes
        super().__init__(aggregator, Prototypes(aggregator.embed_dim, *widths, by_batch=settings.standardised))
        self.least_bags = 2 if settings.standardised else 1
        self.settings = settings
        self.teacher = Teacher(self.student)
        self.register_buffer("centre", torch.zeros(settings.prototypes))
        self._scores: list[Tensor] = []
        """Mean teacher scores of the batches of the current step."""

    @property
    def encoder(self) -> BaseMIL:
        """The teacher's aggregator, as in the paper."""
        return self.teacher.module.aggregator

    @property
    def views(self) -> ViewRequest:
        """See `Method.views`."""
        return ViewRequest(global_views=2, local_views=self.settings.local_views)

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:
        """See `Method.loss`."""
        with torch.no_grad():
            teacher = torch.stack([self.teacher.module(view) for view in views[:2]])
        student = torch.stack([self.student(view) for view in views])
        if self.training:
            self._scores.append(teacher.float().mean(dim=(0, 1)))
        temperature = self.teacher_temperature(context)
        student_temperature = self.settings.student_temperature
        return Loss(cross_view_entropy(student, teacher, self.centre, student_temperature, temperature))

    def project(self, embeddings: Tensor) -> Tensor:
        """The assignment to prototypes: under collapse it is the same for all slides."""
        return F.softmax(self.teacher.module.head(embeddings).float() / self.settings.student_temperature, dim=1)

    def teacher_temperature(self, context: StepContext) -> float:
        """The teacher's temperature at a step."""
        first, last = self.settings.first_temperature, self.settings.teacher_temperature
        warmup = self.settings.temperature_warmup * context.total
        return last if context.number >= warmup else first + (last - first) * context.number / warmup

    def begin_step(self, context: StepContext) -> None:  # noqa: ARG002  # the interface of all methods
        """Forget the scores of a step that was skipped."""
        self._scores = []

    def before_update(self, context: StepContext) -> None:
        """Let the prototypes rest in the first epochs."""
        if context.epoch < self.settings.frozen_epochs:
            for parameter in self.student.head.prototypes.parameters():  # type: ignore[union-attr]  # it is `Prototypes`
                parameter.grad = None

    def after_update(self, context: StepContext) -> None:
        """Move teacher and centre."""
        self.teacher.follow(self.student, momentum_at(context.number, context.total, self.settings.ema))
        mean = torch.stack(self._scores).mean(dim=0)
        self.centre.copy_(moved_centre(self.centre, mean, self.settings.centre_momentum))
