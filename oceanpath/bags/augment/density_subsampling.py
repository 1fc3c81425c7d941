"""Subsampling that prefers patches in sparse tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Range, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class DensitySubsampling(Selection):
    """A random sample in which patches of sparsely occupied cells are more frequent."""

    needs_coords: ClassVar[bool] = True
    is_crop: ClassVar[bool] = True
    probability: float = Field(0.3, ge=0.0, le=1.0)
    """Probability that a view is subsampled by density, if no earlier crop was drawn."""
    fraction: Range = (0.5, 0.9)
    """Fraction of patches that is kept."""
    grid: int = Field(8, ge=1)
    """Number of cells along each side of the tissue."""
    exponent: float = Field(0.7, ge=0.0)
    """A patch in a cell of c patches has the weight 1 / c^exponent."""
    least: int = Field(16, ge=1)
    """Minimum number of patches that are kept."""

    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        """See `Selection.select`. Weighted sampling without replacement by Efraimidis and Spirakis (2006)."""
        import numpy as np

        from oceanpath.bags.augment.geometry import cells_of, rows_at

        keep = max(round(len(rows) * random.uniform(*self.fraction)), self.least)
        if keep >= len(rows):
            return rows
        cells = cells_of(bag.positions_of(rows), self.grid)
        costs = np.bincount(cells).astype(np.float32) ** self.exponent
        ranks = random.standard_exponential(len(rows), dtype=np.float32) * costs[cells]
        return rows_at(rows, np.argpartition(ranks, keep)[:keep])
