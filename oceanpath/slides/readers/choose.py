"""Choice of the reader: the tile reader if its pixels are exactly those of OpenSlide, otherwise OpenSlide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide

from oceanpath.errors import ArtifactError
from oceanpath.slides.readers.openslide_pixels import OpenSlidePixels, on_whole_pixels
from oceanpath.slides.readers.pixels import Pixels
from oceanpath.slides.readers.tiff_directory import TileLevel, plain_levels
from oceanpath.slides.readers.tiff_tiles import TiffTiles

PLAIN_VENDORS = ("aperio", "generic-tiff")
WINDOW = 48
"""Side of a compared window in level pixels."""
SPREAD = 4
"""Number of windows per level along each diagonal of the slide."""


def choose_pixels(path: Path, handle: openslide.OpenSlide) -> tuple[Pixels, str]:
    """The pixels of an open slide, and why OpenSlide reads them ("" if the tiles are read directly).

    The choice depends only on the file, so features do not depend on the machine.
    """
    plain = OpenSlidePixels(path, handle)
    vendor = handle.properties.get("openslide.vendor", "")
    if vendor not in PLAIN_VENDORS:
        return plain, f"a slide of {vendor or 'an unknown vendor'}"
    levels, reason = plain_levels(path, handle.level_dimensions)
    if reason:
        return plain, reason
    if vendor == "aperio" and any((level.sizes == 0).any() for level in levels):
        return plain, "tiles are missing"  # OpenSlide fills them from the next level
    tiles = TiffTiles(path, levels, handle.level_downsamples, plain)
    for number, level in enumerate(levels):
        downsample = handle.level_downsamples[number]
        if not on_whole_pixels(downsample, (level.width, level.height)):
            continue  # OpenSlide reads this level
        if difference := _difference(tiles, plain, number, level, downsample):
            tiles.close()
            return plain, difference
    return tiles, ""


def _difference(tiles: TiffTiles, plain: OpenSlidePixels, number: int, level: TileLevel, downsample: float) -> str:
    """Where the pixels of a level differ from OpenSlide's, as text; "" if they are equal."""
    tile = np.empty((level.tile_height, level.tile_width, 3), np.uint8)
    for x, y in _window_coords(level, downsample):
        column, row = (int(v / downsample + 0.5) for v in (x, y))
        cell = min(row // level.tile_height, len(level.sizes) - 1), column // level.tile_width
        try:
            tiles.decode(tile, number, cell)
            expected = plain.region(x, y, number, WINDOW, WINDOW)
        except (ValueError, OSError, ArtifactError) as error:
            return f"a tile cannot be decoded: {error}"
        pixels = next(tiles.regions(np.array([[x, y]]), number, WINDOW, WINDOW))
        if not np.array_equal(pixels, expected):
            largest = int(np.abs(pixels.astype(int) - expected).max())
            return f"pixels differ from OpenSlide's by up to {largest} at x {x}, y {y}, level {number}"
    return ""


def _window_coords(level: TileLevel, downsample: float) -> list[tuple[int, int]]:
    """Level-0 coordinates along both diagonals and past the last pixel of a level with aligned pixels."""
    xs, ys = (
        _positions(size, downsample, step)
        for size, step in ((level.width, level.tile_width), (level.height, level.tile_height))
    )
    return [*zip(xs, ys, strict=True), *zip(xs, ys[::-1], strict=True)]


def _positions(size: int, downsample: float, tile: int) -> list[int]:
    """`SPREAD` level-0 positions on one axis: on the edge of a tile if there is one, the last beyond the slide."""
    ends = [*np.linspace(0, size - WINDOW, SPREAD - 1), size - WINDOW / 2]
    positions = [round(end / tile) * tile - WINDOW / 2 if size > 2 * tile else end for end in ends[:-1]] + ends[-1:]
    return [min(max(0, round(position)), size - 1) * round(downsample) for position in positions]
