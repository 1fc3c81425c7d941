"""The pixels of patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.slides.downsample import LARGEST_FACTOR
from oceanpath.slides.grid import PatchGrid
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.readers.pixels import UndecodableError


def read_patches(
    reader: SlideReader, grid: PatchGrid, coords: NDArray[np.integer], out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """RGB [n, P, P, 3] of the patches whose top-left level-0 pixels are `coords` [n, 2], averaged down by area.

    A tile that several patches share is decoded once per call.

    Args:
        reader: The slide.
        grid: How its patches are read.
        coords: x and y, level-0 pixels.
        out: Array for the result, [n, P, P, 3]; default: a new one.

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
    """Which patches [n] can be decoded; each is read separately."""
    result = np.ones(len(coords), bool)
    for number in range(len(coords)):
        try:
            read_patches(reader, grid, coords[number : number + 1])
        except UndecodableError:
            result[number] = False
    return result


def _boxed(region: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A region resized by a non-integer factor with a box filter as wide as a patch pixel."""
    return np.asarray(Image.fromarray(region).resize((side, side), Image.Resampling.BOX))
