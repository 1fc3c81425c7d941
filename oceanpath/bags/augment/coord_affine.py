"""Rotation, reflection and scaling of the layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from oceanpath.bags.augment.base import CoordTransform, FactorRange

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray


class CoordAffine(CoordTransform):
    """Rotates the layout by a multiple of 90°, reflects it, scales its axes, and moves it to the origin."""

    scale: FactorRange = (0.8, 1.2)
    """Range of the factor of each axis, drawn independently."""
    flip: float = Field(0.5, ge=0.0, le=1.0)
    """Probability of a reflection, per axis."""
    rotate: bool = True
    """Whether to rotate by 0, 90, 180 or 270 degrees."""

    def transform(self, coords: NDArray[np.int32], spacing: int, random: Generator) -> NDArray[np.int32]:  # noqa: ARG002  # the interface of transforms
        """See `CoordTransform.transform`. Positions are rounded to whole pixels."""
        import numpy as np

        factors = random.uniform(*self.scale, 2) * np.where(random.random(2) < self.flip, -1.0, 1.0)
        quarter = int(random.integers(4)) if self.rotate else 0
        moved = coords * factors
        if quarter % 2:
            moved = moved[:, ::-1]
        if quarter >= 2:  # with the reflections: all eight symmetries of the square
            moved = -moved
        rounded: NDArray[np.int32] = np.rint(moved - moved.min(axis=0)).astype(np.int32)
        return rounded
