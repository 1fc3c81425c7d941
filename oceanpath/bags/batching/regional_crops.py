"""Views of one square region."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from oceanpath.bags.batching.base import Batching

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag

TRIES = 10


class RegionalCrops(Batching):
    """`batch_size` bags per batch in random order, each view a square region of `side` × `side` patches.

    After Ding et al. (2024). Regions are drawn until one is filled to `occupied`, at most ten times; otherwise the
    fullest one is used.
    """

    name: Literal["regional_crops"] = "regional_crops"
    """Batching strategy."""
    needs_coords: ClassVar[bool] = True
    side: int = Field(16, ge=1)
    """Side of a region in patches."""
    occupied: float = Field(0.3, ge=0.0, le=1.0)
    """Wanted share of a region that contains selected patches."""

    def limit(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        """See `Batching.limit`."""
        import numpy as np

        from oceanpath.bags.augment.geometry import box_around, inside, random_rows

        coords, size = bag.positions_of(rows), np.full(2, float(self.side * bag.spacing))
        fullest = rows[:0]
        for _ in range(TRIES):
            region = rows[inside(coords, *box_around(coords, bag.corners, size, random))]
            fullest = max(fullest, region, key=len)
            if len(fullest) >= self.occupied * self.side**2:
                break
        return random_rows(fullest, self.side**2, random)  # more only where patches overlap

    def most_rows(self, length: int) -> int:
        """See `Batching.most_rows`."""
        return min(length, self.side**2)
