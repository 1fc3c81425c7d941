"""On a grid, equally near patches are in a fixed order, also in small bags: it decides which features are blended."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.bags.neighbours import nearest_rows


@pytest.mark.parametrize("side", [5, 9])
def test_equally_near_patches_are_in_the_order_of_their_offsets(side: int) -> None:
    x, y = (part.ravel() for part in np.meshgrid(np.arange(side), np.arange(side)))
    found = nearest_rows(np.stack([x, y], axis=1).astype(np.int32) * 256 + 7)
    for row in np.flatnonzero((np.abs(x - side // 2) < side // 2) & (np.abs(y - side // 2) < side // 2)):
        near = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
        ordered = sorted(near, key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset))
        assert found[row].tolist() == [row + dy * side + dx for dx, dy in ordered]
