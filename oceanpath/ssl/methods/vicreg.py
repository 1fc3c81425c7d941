"""VICReg: see `oceanpath.ssl.losses.vicreg`. The expander has three layers, as in the paper, section 4.1."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.heads import perceptron
from oceanpath.ssl.losses import vicreg
from oceanpath.ssl.methods.base import Loss, Method, StepContext
from oceanpath.ssl.methods.settings import VICRegSettings


class VICReg(Method):
    """Two views; no teacher."""

    def __init__(self, settings: VICRegSettings, aggregator: BaseMIL, _: int) -> None:
        super().__init__(aggregator, perceptron(aggregator.embed_dim, settings.hidden, settings.out, layers=3))
        self.settings = settings

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:  # noqa: ARG002  # the same in all steps
        """See `Method.loss`."""
        a, b = (self.student(view) for view in views)
        invariance = vicreg.invariance(a, b)
        variance = (vicreg.variance(a) + vicreg.variance(b)) / 2
        covariance = vicreg.covariance(a) + vicreg.covariance(b)
        weights = self.settings
        value = weights.invariance_weight * invariance + weights.variance_weight * variance
        terms = {"invariance": invariance, "variance": variance, "covariance": covariance}
        return Loss(value + weights.covariance_weight * covariance, terms)
