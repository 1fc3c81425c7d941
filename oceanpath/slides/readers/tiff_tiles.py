"""Pixels decoded directly from the JPEG tiles of a TIFF, each decoded once per call.

OpenSlide opens the file for every region and draws each tile with cairo; decoding the stored streams with the same
decoder (libjpeg-turbo, accurate DCT, smooth chroma) gives the same bytes in a fraction of the time. Tiles are read
with pread: a file that is truncated while it is read causes an error, whereas a memory map would crash.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from oceanpath.slides.downsample import BlockMeans, block_means
from oceanpath.slides.readers.openslide_pixels import OpenSlidePixels, level_pixels, on_whole_pixels
from oceanpath.slides.readers.tiff_directory import TileLevel

WHITE = 255
Cell = tuple[int, int]


class TiffTiles:
    """Regions of a slide whose levels are grids of JPEG tiles.

    Coordinates are rounded to the nearest pixel of the level. OpenSlide reads tiles that this reader cannot decode, so
    that a damaged slide has the same result with either reader, and levels whose pixels are not aligned with level 0.
    """

    name = "tiff_tiles"

    def __init__(
        self, path: Path, levels: list[TileLevel], downsamples: tuple[float, ...], fallback: OpenSlidePixels
    ) -> None:
        self._levels, self._downsamples, self._fallback = levels, downsamples, fallback
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def regions(
        self, coords: NDArray[np.int64], level: int, width: int, height: int, factor: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """See `Pixels.regions`. Every tile is decoded once per call, and kept only while a later region needs it."""
        grid = self._levels[level]
        if not on_whole_pixels(self._downsamples[level], (grid.width, grid.height)):
            return self._fallback.regions(coords, level, width, height, factor)
        corners = level_pixels(coords, self._downsamples[level])
        if _in_whole_blocks(grid, corners, (width, height), factor):
            return self._assemble(corners, level, (width, height), factor)
        return block_means(self._assemble(corners, level, (width, height), 1), width, height, factor)

    def _assemble(
        self, corners: NDArray[np.int64], level: int, size: tuple[int, int], factor: int
    ) -> Iterator[NDArray[np.uint8]]:
        """Regions at 1 / `factor` of their `size`, from tiles that are downsampled while they are in cache."""
        grid = self._levels[level].reduced(factor)
        get = self._tiles(level, factor)
        out = np.empty((size[1] // factor, size[0] // factor, 3), np.uint8)
        corners_px = [(int(x), int(y)) for x, y in corners // factor]
        cells = [_cells(grid, corner, out.shape) for corner in corners_px]
        uses = Counter(cell for row in cells for cell in row)
        kept: dict[Cell, NDArray[np.uint8]] = {}
        free: list[NDArray[np.uint8]] = []  # new memory costs as much as decoding
        for corner, row in zip(corners_px, cells, strict=True):
            if not _covers(grid, corner, out.shape):
                out.fill(WHITE)
            for cell in row:
                tile = kept.pop(cell, None)
                if tile is None:
                    tile = free.pop() if free else np.empty((grid.tile_height, grid.tile_width, 3), np.uint8)
                    get(tile, cell)
                _paste(out, tile, grid, cell, corner)
                uses[cell] -= 1
                if uses[cell]:
                    kept[cell] = tile
                else:
                    free.append(tile)
            yield out

    def _tiles(self, level: int, factor: int) -> Callable[[NDArray[np.uint8], Cell], None]:
        """A function that decodes a tile at 1 / `factor` of its size into an array."""
        if factor == 1:
            return lambda tile, cell: self._fill(tile, level, cell)
        grid = self._levels[level]
        whole = np.empty((grid.tile_height, grid.tile_width, 3), np.uint8)
        means = BlockMeans(grid.tile_width // factor, grid.tile_height // factor, factor)

        def get(tile: NDArray[np.uint8], cell: Cell) -> None:
            self._fill(whole, level, cell)
            means(whole, tile)

        return get

    def decode(self, tile: NDArray[np.uint8], level: int, cell: Cell) -> None:
        """Decode one stored tile into `tile` [tile height, tile width, 3]; white if the file has none.

        Raises: ValueError: the stream is damaged, truncated, or of another size.
        """
        grid = self._levels[level]
        size = int(grid.sizes[cell])
        if not size:
            tile.fill(WHITE)
            return
        stream = os.pread(self._file, size, int(grid.offsets[cell]))
        decoded = simplejpeg.decode_jpeg(grid.prefix + stream[2:], "RGB", buffer=tile)
        if decoded.shape != tile.shape:
            raise ValueError(f"the tile is {decoded.shape}, not {tile.shape}")

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _fill(self, tile: NDArray[np.uint8], level: int, cell: Cell) -> None:
        try:
            self.decode(tile, level, cell)
        except (ValueError, OSError):
            grid, downsample = self._levels[level], self._downsamples[level]
            left, top = cell[1] * grid.tile_width, cell[0] * grid.tile_height
            size = min(grid.tile_width, grid.width - left), min(grid.tile_height, grid.height - top)
            pixels = self._fallback.region(round(left * downsample), round(top * downsample), level, *size)
            tile[: size[1], : size[0]] = pixels


def _in_whole_blocks(grid: TileLevel, corners: NDArray[np.int64], size: tuple[int, int], factor: int) -> bool:
    """Whether no block of `factor` pixels spans two tiles or the edge of the level."""
    fit = not (grid.tile_width % factor or grid.tile_height % factor or (corners % factor).any())
    inside = (corners >= 0).all() and (corners + size <= (grid.width, grid.height)).all()
    return factor == 1 or bool(fit and inside)


def _covers(grid: TileLevel, corner: tuple[int, int], shape: tuple[int, ...]) -> bool:
    """Whether a region [height, width, ...] at level pixel `corner` is inside the level."""
    return min(corner) >= 0 and corner[0] + shape[1] <= grid.width and corner[1] + shape[0] <= grid.height


def _cells(grid: TileLevel, corner: tuple[int, int], shape: tuple[int, ...]) -> list[Cell]:
    """Row and column of each tile that a region [height, width, ...] at level pixel `corner` intersects, row by row."""
    (x, y), (high, wide) = corner, shape[:2]
    if x >= grid.width or y >= grid.height:
        return []  # the last tile extends beyond the level
    rows = range(max(0, y) // grid.tile_height, -(-min(y + high, grid.height) // grid.tile_height))
    columns = range(max(0, x) // grid.tile_width, -(-min(x + wide, grid.width) // grid.tile_width))
    return list(product(rows, columns))


def _paste(
    out: NDArray[np.uint8], tile: NDArray[np.uint8], grid: TileLevel, cell: Cell, corner: tuple[int, int]
) -> None:
    """Copy the part of a tile that is in the region at `corner` and inside the level."""
    left, top = cell[1] * grid.tile_width, cell[0] * grid.tile_height
    x0, x1 = max(left, corner[0]), min(left + grid.tile_width, corner[0] + out.shape[1], grid.width)
    y0, y1 = max(top, corner[1]), min(top + grid.tile_height, corner[1] + out.shape[0], grid.height)
    part = tile[y0 - top : y1 - top, x0 - left : x1 - left]
    out[y0 - corner[1] : y1 - corner[1], x0 - corner[0] : x1 - corner[0]] = part
