"""JEPA on bags, after I-JEPA (Assran et al. 2023): see `oceanpath.ssl.losses.latent_regression`.

    ŝ_i = predictor( aggregator(context), Fourier(position and extent of block i) )        s_i = teacher(block i)

Unlike in I-JEPA a block is embedded as a bag of its own, because an aggregator gives one embedding per bag. Without
coordinates the blocks are random sets of patches and all positions are equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.block_positions import block_positions, fourier_features
from oceanpath.ssl.distributed import gathered
from oceanpath.ssl.heads import perceptron
from oceanpath.ssl.losses.latent_regression import latent_regression
from oceanpath.ssl.methods.base import Loss, Method, StepContext, ViewRequest, embed
from oceanpath.ssl.methods.settings import JEPASettings
from oceanpath.ssl.teacher import Teacher, momentum_at

POSITION = 4
"""Numbers that describe a block: centre and extent in two dimensions."""


class JEPA(Method):
    """A context and several target blocks."""

    selects_by = "lidar"
    least_bags = 1

    def __init__(self, settings: JEPASettings, aggregator: BaseMIL, _: int) -> None:
        super().__init__(aggregator, nn.Identity())
        width = aggregator.embed_dim + 2 * POSITION * settings.bands
        self.predictor = perceptron(width, settings.hidden, aggregator.embed_dim, layers=3)
        self.teacher = Teacher(aggregator)
        self.settings = settings

    @property
    def encoder(self) -> BaseMIL:
        """The teacher's aggregator, as in the paper."""
        return self.teacher.module

    @property
    def views(self) -> ViewRequest:
        """See `Method.views`."""
        return ViewRequest(global_views=1, local_views=self.settings.blocks, is_blocks=True)

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:  # noqa: ARG002  # the same in all steps
        """See `Method.loss`."""
        rest, *blocks = views
        targets = self.targets(blocks)
        places = gathered(block_positions(rest, blocks).transpose(0, 1), rest).transpose(0, 1)
        positions = fourier_features(places, self.settings.bands)
        embeddings = self.student(rest).unsqueeze(0).expand(len(blocks), -1, -1)
        predictions = self.predictor(torch.cat([embeddings, positions.to(embeddings.dtype)], dim=-1))
        return Loss(latent_regression(predictions.flatten(0, 1), targets.flatten(0, 1), self.settings.beta))

    @torch.no_grad()
    def targets(self, blocks: Sequence[Batch]) -> Tensor:
        """The teacher's embeddings [M, B, E] of blocks."""
        return torch.stack([embed(self.teacher.module, block) for block in blocks])

    def after_update(self, context: StepContext) -> None:
        """Move the teacher."""
        self.teacher.follow(self.aggregator, momentum_at(context.number, context.total, self.settings.ema))
