"""Boxes and cells on a slide, and random subsets of rows."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Point = NDArray[np.float64]
"""[2], level-0 pixels."""
Corners = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Top-left and bottom-right corner, level-0 pixels; the second is not part of the box."""


def random_rows(rows: NDArray[np.int64], count: int, random: Generator) -> NDArray[np.int64]:
    """`count` of the sorted `rows`, uniform and without replacement; sorted. All if there are not more."""
    if count >= len(rows):
        return rows
    return rows_at(rows, random.choice(len(rows), count, replace=False, shuffle=False))


def rows_at(rows: NDArray[np.int64], indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some of the sorted `rows`, sorted, without sorting the different `indices`."""
    is_chosen = np.zeros(len(rows), bool)
    is_chosen[indices] = True
    return rows[is_chosen]


def inside(coords: NDArray[np.int32], low: Point, high: Point) -> NDArray[np.bool_]:
    """Whether each patch [n, 2] is in the box from `low` to before `high`."""
    x, y = coords[:, 0], coords[:, 1]
    found: NDArray[np.bool_] = (x >= low[0]) & (x < high[0]) & (y >= low[1]) & (y < high[1])
    return found


def box_around(coords: NDArray[np.int32], corners: Corners, size: Point, random: Generator) -> tuple[Point, Point]:
    """A box of `size` at a random position within `corners` that contains a random one of the patches [n, 2]."""
    low = coords[random.integers(len(coords))] - random.random(2) * size
    low = np.maximum(np.minimum(low, corners[1] - size), corners[0])
    return low, low + np.maximum(size, 1.0)


def cells_of(coords: NDArray[np.int32], grid: int) -> NDArray[np.int64]:
    """Cell of each patch [n, 2] in `grid` × `grid` cells of equal size over their bounding box."""
    cell = np.zeros(len(coords), np.int64)
    for axis in (1, 0):
        values = coords[:, axis]
        low = values.min()
        cell = cell * grid + (values - low).astype(np.int64) * grid // (int(values.max()) - int(low) + 1)
    return cell
