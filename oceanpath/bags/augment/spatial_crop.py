"""Crop of a rectangle of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Range, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class SpatialCrop(Selection):
    """The patches in a rectangle with tissue; where it has too few, a random sample of the same share of the area."""

    needs_coords: ClassVar[bool] = True
    is_crop: ClassVar[bool] = True
    probability: float = Field(0.5, ge=0.0, le=1.0)
    """Probability that a view is cropped, if no earlier crop was drawn."""
    extent: Range = (0.4, 0.8)
    """Width and height of the rectangle as fractions of those of the tissue."""
    least: int = Field(16, ge=1)
    """Minimum number of patches in the rectangle."""

    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        """See `Selection.select`."""
        from oceanpath.bags.augment.geometry import box_around, inside, random_rows

        fractions = random.uniform(*self.extent, 2)
        low, high = bag.corners
        coords = bag.positions if len(rows) == bag.length else bag.positions_of(rows)
        box = box_around(coords, (low, high), (high - low) * fractions, random)
        selected = rows[inside(coords, *box)]
        if len(selected) >= min(self.least, len(rows)):
            return selected
        return random_rows(rows, max(round(len(rows) * float(fractions.prod())), self.least), random)
