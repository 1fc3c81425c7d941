"""A slide as a Deep Zoom image: levels of tiles, each level half as wide as the next.

The format is that of Microsoft's Deep Zoom (schema deepzoom/2008), which OpenSeadragon and other viewers read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from oceanpath.slides.picture import MOST_PIXELS, Box, coarsest_level
from oceanpath.slides.reader import SlideReader

TILE_PX = 510
OVERLAP_PX = 1
"""Pixels that a tile shares with each neighbour, so that no seam is visible."""
FORMAT = "jpeg"


@dataclass(frozen=True)
class Tile:
    """One tile: its rectangle of the slide and its size in pixels."""

    box: Box
    width: int
    height: int


@dataclass(frozen=True)
class DeepZoom:
    """The tiles of an image of `width` × `height` pixels."""

    width: int
    height: int

    @property
    def max_level(self) -> int:
        """The level of the full resolution; level 0 has one pixel."""
        return math.ceil(math.log2(max(self.width, self.height, 1)))

    def scale(self, level: int) -> int:
        """Level-0 pixels of the slide per pixel of a level of tiles."""
        return 1 << (self.max_level - level)

    def level_size(self, level: int) -> tuple[int, int]:
        """Width and height of a level in pixels."""
        return -(-self.width // self.scale(level)), -(-self.height // self.scale(level))

    def tile(self, level: int, column: int, row: int) -> Tile | None:
        """A tile, or None if there is none."""
        if not 0 <= level <= self.max_level:
            return None
        wide, high = self.level_size(level)
        if not (0 <= column * TILE_PX < wide and 0 <= row * TILE_PX < high):
            return None
        left, right = _edges(column, wide)
        top, bottom = _edges(row, high)
        scale = self.scale(level)
        box = Box(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale)
        return Tile(box, right - left, bottom - top)

    def descriptor(self) -> str:
        """The XML file that describes the image."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" TileSize="{TILE_PX}" Overlap="{OVERLAP_PX}" '
            f'Format="{FORMAT}"><Size Width="{self.width}" Height="{self.height}"/></Image>\n'
        )


def coarsest_tiles(reader: SlideReader) -> int:
    """The first level whose tiles can be read from the levels of a slide within `MOST_PIXELS`."""
    image = DeepZoom(reader.width, reader.height)
    level = image.max_level
    while level > 0 and _pixels(reader, image, level - 1) <= MOST_PIXELS:
        level -= 1
    return level


def _pixels(reader: SlideReader, image: DeepZoom, level: int) -> float:
    """Upper limit of the pixels that are read for one tile of a level."""
    scale = image.scale(level)
    downsample = reader.level_downsamples[coarsest_level(reader, scale)]
    sides = (min(TILE_PX + 2 * OVERLAP_PX, size) * scale / downsample + 2 for size in image.level_size(level))
    return math.prod(sides)


def _edges(number: int, size: int) -> tuple[int, int]:
    """First and last pixel (excluded) of a column or row of tiles."""
    first = number * TILE_PX - (OVERLAP_PX if number else 0)
    return first, min((number + 1) * TILE_PX + OVERLAP_PX, size)
