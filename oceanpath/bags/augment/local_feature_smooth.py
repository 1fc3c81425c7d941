"""Blending with the neighbours on the slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from oceanpath.bags.augment.base import NeighbourBlend, Range

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from oceanpath.bags.augment.bag import SourceBag


class LocalFeatureSmooth(NeighbourBlend):
    """Blends some patches with the mean of their nearest neighbours on the slide: (1 - alpha) x + alpha mean."""

    k: int = Field(5, ge=1, le=8)
    """Number of neighbours."""
    alpha: Range = (0.05, 0.3)
    """Weight of the neighbours, drawn once per view."""
    share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of patches that is changed."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:  # noqa: ARG002  # the interface of perturbations
        """Weight of each patch, 0 where it stays unchanged."""
        weights = (random.random(len(rows)) < self.share) * random.uniform(*self.alpha)
        return (weights.astype("float32"),)

    def blend(self, weights: Tensor, draws: Sequence[Tensor]) -> None:
        """See `NeighbourBlend.blend`."""
        alpha = draws[0].unsqueeze(1)
        weights.mul_(1 - alpha)
        weights[:, 1 : 1 + self.k] += alpha / self.k
