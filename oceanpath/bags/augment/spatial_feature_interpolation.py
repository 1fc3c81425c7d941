"""Interpolation towards a neighbour on the slide."""

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


class SpatialFeatureInterpolation(NeighbourBlend):
    """Moves some patches towards one of their nearest neighbours on the slide: (1 - t) x + t neighbour."""

    k: int = Field(3, ge=1, le=8)
    """The neighbour is drawn from this many nearest ones."""
    t: Range = (0.05, 0.25)
    """Position t between the patch and its neighbour, drawn per patch."""
    share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of patches that is changed."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:  # noqa: ARG002  # the interface of perturbations
        """Position of each patch, 0 where it stays unchanged, and the rank of its neighbour."""
        t = (random.random(len(rows)) < self.share) * random.uniform(*self.t, len(rows))
        return t.astype("float32"), random.integers(self.k, size=len(rows))

    def blend(self, weights: Tensor, draws: Sequence[Tensor]) -> None:
        """See `NeighbourBlend.blend`."""
        t, ranks = draws[0].unsqueeze(1), draws[1].unsqueeze(1)
        weights.mul_(1 - t)
        weights.scatter_add_(1, 1 + ranks, t)
