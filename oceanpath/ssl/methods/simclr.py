"""SimCLR: see `oceanpath.ssl.losses.nt_xent`. The projector has two layers, as in the paper, section 2.1."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.heads import perceptron
from oceanpath.ssl.losses.nt_xent import nt_xent
from oceanpath.ssl.methods.base import Loss, Method, StepContext
from oceanpath.ssl.methods.settings import SimCLRSettings


class SimCLR(Method):
    """Two views; slides of the same patient are no negatives of each other."""

    def __init__(self, settings: SimCLRSettings, aggregator: BaseMIL, _: int) -> None:
        super().__init__(aggregator, perceptron(aggregator.embed_dim, settings.hidden, settings.out, layers=2))
        self.temperature = settings.temperature

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:
        """See `Method.loss`."""
        a, b = (self.student(view) for view in views)
        return Loss(nt_xent(a, b, self.temperature, context.patients))
