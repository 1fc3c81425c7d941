"""Which levels of a TIFF are plain grids of JPEG tiles, and the offset of each tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

START = b"\xff\xd8"
JPEG_IN_TIFF = 7
RGB, YCBCR = 2, 6
"""Values of the tag PhotometricInterpretation (TIFF 6.0)."""


@dataclass(frozen=True)
class TileLevel:
    """One level whose tiles are JPEG streams."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    offsets: NDArray[np.int64]
    """[rows, columns], bytes from the start of the file."""
    sizes: NDArray[np.int64]
    """[rows, columns], bytes; 0 for a missing tile."""
    prefix: bytes
    """Replaces the first two bytes of a tile in the decoder's input: tables and colour space."""

    def reduced(self, factor: int) -> TileLevel:
        """The same tiles at 1 / `factor` of their size."""
        sides = ("width", "height", "tile_width", "tile_height")
        return replace(self, **{side: getattr(self, side) // factor for side in sides})


def plain_levels(path: Path, level_sizes: Sequence[tuple[int, int]]) -> tuple[list[TileLevel], str]:
    """The levels of `level_sizes` (width, height) as grids of JPEG tiles.

    Returns: the levels and "", or no levels and the reason why the file is not plain.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage) and page.is_tiled]
            levels = []
            for size in level_sizes:
                same = [page for page in pages if (page.imagewidth, page.imagelength) == tuple(size)]
                if len(same) != 1:
                    return [], f"{len(same)} tiled directories of {size[0]} x {size[1]} px"
                if reason := _why_not_plain(same[0]):
                    return [], reason
                levels.append(_level(same[0]))
    except (tifffile.TiffFileError, ValueError, OSError) as error:
        return [], f"its directory cannot be read: {error}"
    return levels, ""


def _why_not_plain(page: tifffile.TiffPage) -> str:
    """Why a level is not a plain JPEG level, or ""."""
    if page.compression != JPEG_IN_TIFF:
        return f"compression {int(page.compression)} is not JPEG"
    if page.bitspersample != 8 or page.samplesperpixel != 3 or page.planarconfig != 1:
        return "its pixels are not 3 interleaved bytes"
    if page.photometric not in (RGB, YCBCR):
        return f"photometric interpretation {int(page.photometric)} is neither RGB nor YCbCr"
    cells = -(-page.imagewidth // page.tilewidth) * -(-page.imagelength // page.tilelength)
    return "" if len(page.dataoffsets) == len(page.databytecounts) == cells else "its tiles are not one grid"


def _level(page: tifffile.TiffPage) -> TileLevel:
    shape = -(-page.imagelength // page.tilelength), -(-page.imagewidth // page.tilewidth)
    tables = page.jpegtables[:-2] if page.jpegtables else START
    return TileLevel(
        width=page.imagewidth,
        height=page.imagelength,
        tile_width=page.tilewidth,
        tile_height=page.tilelength,
        offsets=np.array(page.dataoffsets, np.int64).reshape(shape),
        sizes=np.array(page.databytecounts, np.int64).reshape(shape),
        prefix=tables + _adobe_marker(transform=int(page.photometric == YCBCR)),
    )


def _adobe_marker(transform: int) -> bytes:
    """APP14: without it a JPEG decoder guesses the colour space of a stream (ITU-T T.872, 6.5.3)."""
    return b"\xff\xee\x00\x0eAdobe" + bytes([0, 100, 0, 0, 0, 0, transform])
