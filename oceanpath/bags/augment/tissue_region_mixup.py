"""Blending with the mean of another region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Category, FeatureChange, Range

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from oceanpath.bags.augment.bag import Patches, SourceBag


class TissueRegionMixup(FeatureChange):
    """Blends some patches with the mean of another cell of the view: (1 - alpha) x + alpha mean."""

    category: ClassVar[Category] = "neighbourhood"
    needs_coords: ClassVar[bool] = True
    grid: int = Field(4, ge=2)
    """Number of cells along each side of the view."""
    alpha: Range = (0.05, 0.2)
    """Weight of the other cell, drawn once per view."""
    share: float = Field(0.3, ge=0.0, le=1.0)
    """Share of patches that is changed."""
    least: int = Field(4, ge=1)
    """Minimum number of patches of the other cell."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:
        """Cell of each patch, the other cell, and its weight, 0 where the patch stays unchanged."""
        import numpy as np

        from oceanpath.bags.augment.geometry import cells_of

        cells = cells_of(bag.positions_of(rows), self.grid)
        usable = (np.bincount(cells) >= self.least).nonzero()[0]
        changed = random.random(len(rows)) < self.share
        alpha, chosen = random.uniform(*self.alpha), random.random(len(rows))
        if not len(usable):
            return cells, cells, np.zeros(len(rows), np.float32)
        others = usable[(chosen * len(usable)).astype(np.int64)]
        weights = alpha * (changed & (others != cells))
        return cells, others, weights.astype(np.float32)

    def apply(self, patches: Patches, values: Tensor, draws: Sequence[Tensor]) -> None:
        """See `FeatureChange.apply`."""
        cells, others, weights = draws
        changed = weights.nonzero().squeeze(1)
        if not len(changed):
            return
        first = patches.views * self.grid**2
        count = (int(patches.views[-1]) + 1) * self.grid**2
        means = values.new_zeros(count, values.shape[1]).index_add_(0, first + cells, values)
        means /= (first + cells).bincount(minlength=count).clamp(min=1).unsqueeze(1)
        partners = means.index_select(0, (first + others).index_select(0, changed))
        weights = weights.index_select(0, changed).unsqueeze(1)
        values.index_copy_(0, changed, values.index_select(0, changed).lerp_(partners, weights))
