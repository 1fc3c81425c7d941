"""Random displacement of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from oceanpath.bags.augment.base import CoordTransform

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray


class CoordJitter(CoordTransform):
    """Displaces each patch uniformly; the layout moves as a whole where a coordinate would be negative."""

    distance: float = Field(0.0, ge=0.0)
    """Maximum displacement along each axis, in distances of adjacent patches."""

    def transform(self, coords: NDArray[np.int32], spacing: int, random: Generator) -> NDArray[np.int32]:
        """See `CoordTransform.transform`."""
        import numpy as np

        most = round(self.distance * spacing)
        moved = coords + random.integers(-most, most, size=coords.shape, endpoint=True)
        jittered: NDArray[np.int32] = (moved - np.minimum(moved.min(axis=0), 0)).astype(np.int32)
        return jittered
