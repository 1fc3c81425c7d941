"""The pixels of patches, and the order in which reading them costs least."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.slides.downsample import LARGEST_FACTOR
from oceanpath.slides.grid import PatchGrid
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.readers.pixels import UndecodableError

BLOCK = 8
"""Side in patches of the blocks of `reading_order`: neighbours below share tiles as neighbours beside do."""


def read_patches(
    reader: SlideReader, grid: PatchGrid, coords: NDArray[np.integer], out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """RGB [n, P, P, 3] of the patches whose top-left level-0 pixels are `coords` [n, 2], averaged down by area.

    What neighbours share is decoded once a call; see `reading_order`.

    Args:
        reader: The slide.
        grid: How its patches are read.
        coords: x and y, level-0 pixels.
        out: Where to put them, [n, P, P, 3]; such an array is made without it.

    Raises: UndecodableError: the pixels cannot be decoded.
    """
    side, wide, high = grid.patch_px, grid.read_width, grid.read_height
    into = np.empty((len(coords), side, side, 3), np.uint8) if out is None else out
    factor = wide // side if wide == high and wide % side == 0 and wide <= side * LARGEST_FACTOR else 1
    regions = reader.regions(np.asarray(coords, np.int64), grid.level, wide, high, factor)
    for region, patch in zip(regions, into, strict=True):
        patch[:] = region if region.shape == patch.shape else _boxed(region, side)
    return into


def decodable(reader: SlideReader, grid: PatchGrid, coords: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which patches [n] can be read; each is tried on its own."""
    can = np.ones(len(coords), bool)
    for number in range(len(coords)):
        try:
            read_patches(reader, grid, coords[number : number + 1])
        except UndecodableError:
            can[number] = False
    return can


def reading_order(coords: NDArray[np.integer], grid: PatchGrid) -> NDArray[np.int64]:
    """A permutation [n] of `coords` that visits blocks of 8 × 8 patches, row by row, and in each its rows.

    Consecutive runs of it, given to `read_patches`, decode the fewest tiles.
    """
    columns = np.rint(coords[:, 0] / grid.step_x).astype(np.int64)
    rows = np.rint(coords[:, 1] / grid.step_y).astype(np.int64)
    order: NDArray[np.int64] = np.lexsort((columns, rows, columns // BLOCK, rows // BLOCK))
    return order


def _boxed(region: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A region at a size it is no whole factor of, through a box filter as wide as a patch pixel."""
    return np.asarray(Image.fromarray(region).resize((side, side), Image.Resampling.BOX))
