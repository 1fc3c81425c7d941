"""LeJEPA and VISReg: equal projections of all views of a slide, and a normal distribution of the projections.

    loss = (1 - λ) mean ‖z_v - mean of the global z‖² + λ mean over views R(z_v)     R = SIGReg or VISReg

See `oceanpath.ssl.losses.sigreg` and `oceanpath.ssl.losses.visreg`. No teacher, no stopped gradient.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.heads import perceptron
from oceanpath.ssl.losses.projections import distance_to_centroid, random_directions
from oceanpath.ssl.losses.sigreg import sigreg
from oceanpath.ssl.losses.visreg import visreg
from oceanpath.ssl.methods.base import Loss, Method, StepContext, ViewRequest
from oceanpath.ssl.methods.settings import LeJEPASettings, VISRegSettings


class DistributionMethod(Method):
    """Two global views and several local ones."""

    def __init__(self, settings: LeJEPASettings | VISRegSettings, aggregator: BaseMIL, _: int) -> None:
        super().__init__(aggregator, perceptron(aggregator.embed_dim, settings.hidden, settings.out, layers=3))
        self.settings = settings

    @property
    def views(self) -> ViewRequest:
        """See `Method.views`."""
        return ViewRequest(global_views=2, local_views=self.settings.local_views)

    @abstractmethod
    def regularisation(self, z: Tensor, directions: Tensor) -> Tensor:
        """The distance of the distribution of projections [B, P] to a standard normal."""

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:
        """See `Method.loss`."""
        z = torch.stack([self.student(view) for view in views])
        directions = random_directions(self.settings.out, self.settings.directions, context.seed)
        invariance = distance_to_centroid(z, self.views.global_views)
        regularisation = torch.stack([self.regularisation(view, directions) for view in z]).mean()
        value = (1.0 - self.settings.weight) * invariance + self.settings.weight * regularisation
        return Loss(value, {"invariance": invariance, "regularisation": regularisation})


class LeJEPA(DistributionMethod):
    """With SIGReg."""

    def regularisation(self, z: Tensor, directions: Tensor) -> Tensor:
        """See `sigreg`."""
        return sigreg(z, directions)


class VISReg(DistributionMethod):
    """With centre, scale and shape."""

    def regularisation(self, z: Tensor, directions: Tensor) -> Tensor:
        """See `visreg`."""
        return visreg(z, directions)
