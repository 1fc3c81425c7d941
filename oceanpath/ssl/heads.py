"""Projectors and predictors.

The papers normalise hidden layers over the batch. Here each row is normalised on its own (LayerNorm), so that batches
of two, gradient accumulation and evaluation give the same projections. Only BYOL, and DINO by an option, use the
batch: it removes what all slides have in common, without which projections of similar slides collapse in tens of steps.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def perceptron(width: int, hidden: int, out: int, layers: int, *, by_batch: bool = False) -> nn.Sequential:
    """`layers` linear layers with normalisation and GELU between them; the last one is plain.

    Hidden layers are normalised per row or, with `by_batch`, over the batch, which then has at least two rows.
    """
    modules: list[nn.Module] = []
    for _ in range(layers - 1):
        modules += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden) if by_batch else nn.LayerNorm(hidden), nn.GELU()]
        width = hidden
    return nn.Sequential(*modules, nn.Linear(width, out))


class Prototypes(nn.Module):
    """DINO's head: a bottleneck on the unit sphere and cosines with prototypes, which are weight-normed with gain 1.

    With `by_batch` the bottleneck is standardised over the batch before it is projected onto the sphere: by the
    statistics of the rows themselves, because those of earlier steps do not fit the weights of a teacher.
    """

    def __init__(self, width: int, hidden: int, bottleneck: int, prototypes: int, *, by_batch: bool = False) -> None:
        super().__init__()
        self.bottleneck = perceptron(width, hidden, bottleneck, layers=3)
        if by_batch:
            self.bottleneck.append(nn.BatchNorm1d(bottleneck, affine=False, track_running_stats=False))
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Scores [B, K] of embeddings [B, width]."""
        directions = F.normalize(self.prototypes.weight, dim=1)
        return F.linear(F.normalize(self.bottleneck(embeddings), dim=1), directions)
