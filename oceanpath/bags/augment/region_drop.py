"""Removal of rectangles."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Range, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class RegionDrop(Selection):
    """Removes the patches in some rectangles; one that would leave too few patches is skipped."""

    needs_coords: ClassVar[bool] = True
    regions: int = Field(2, ge=1)
    """Number of rectangles."""
    extent: Range = (0.05, 0.2)
    """Width and height of a rectangle as fractions of those of the tissue."""
    least: float = Field(0.3, gt=0.0, le=1.0)
    """Minimum fraction of patches that stays."""

    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        """See `Selection.select`."""
        from oceanpath.bags.augment.geometry import box_around, inside

        low, high = bag.corners
        least, coords = max(self.least * len(rows), 1), bag.positions_of(rows)
        stay = rows >= 0
        for _ in range(self.regions):
            box = box_around(coords, (low, high), (high - low) * random.uniform(*self.extent, 2), random)
            left = stay & ~inside(coords, *box)
            if left.sum() >= least:
                stay = left
        return rows[stay]
