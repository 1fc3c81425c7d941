"""Exchange of the cells of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from oceanpath.bags.augment.base import CoordTransform

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray


class SpatialGridShuffle(CoordTransform):
    """Exchanges the positions of cells of a grid; the layout within a cell stays."""

    grid: int = Field(4, ge=2)
    """Number of cells along each side of the layout."""
    share: float = Field(0.7, ge=0.0, le=1.0)
    """Probability that a cell takes part in the exchange."""

    def transform(self, coords: NDArray[np.int32], spacing: int, random: Generator) -> NDArray[np.int32]:
        """See `CoordTransform.transform`. Cells are whole multiples of `spacing`, so that no two patches overlap."""
        import numpy as np

        low = coords.min(axis=0)
        extent = (coords.max(axis=0).astype(np.int64) - low) // spacing + 1
        side = -(-extent // self.grid) * spacing
        cells = (coords - low) // side
        numbers = cells[:, 1] * self.grid + cells[:, 0]
        target = np.arange(self.grid**2)
        exchanged = (random.random(self.grid**2) < self.share).nonzero()[0]
        target[exchanged] = random.permutation(exchanged)
        moved = target[numbers]
        shift = np.stack([moved % self.grid - cells[:, 0], moved // self.grid - cells[:, 1]], axis=1) * side
        shuffled: NDArray[np.int32] = (coords + shift).astype(np.int32)
        return shuffled
