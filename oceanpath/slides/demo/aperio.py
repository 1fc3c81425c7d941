"""Write RGB pixels as a tiled pyramid that OpenSlide opens as an Aperio slide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

TILE = 256
LEVELS = (1, 4, 16)
"""Downsamples of the levels, as written by Aperio scanners."""
QUALITY = 80


def write_aperio(path: Path, rgb: NDArray[np.uint8], mpp: float) -> None:
    """Write `rgb` [h, w, 3] as JPEG tiles with its resolution in the description; the same pixels give the same bytes.

    Args:
        path: The .svs to write.
        rgb: Level 0.
        mpp: Micrometres per level-0 pixel.
    """
    image = Image.fromarray(rgb)
    levels = (rgb if ds == 1 else np.asarray(image.reduce(ds)) for ds in LEVELS if ds <= min(rgb.shape[:2]))
    write_pyramid(path, ((level.shape[:2], _tiles(level)) for level in levels), mpp)


def write_pyramid(
    path: Path, levels: Iterable[tuple[tuple[int, ...], Iterator[NDArray[np.uint8]]]], mpp: float
) -> None:
    """Write the tiles of each level, finest first: its height and width, and its tiles [256, 256, 3] row by row."""
    with tifffile.TiffWriter(path) as tiff:
        for number, ((height, width), tiles) in enumerate(levels):
            if number == 0:
                description = _description(width, height, mpp)
            tiff.write(
                tiles,
                shape=(height, width, 3),
                dtype=np.uint8,
                description=description,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": QUALITY, "subsampling": (2, 2)},
                subfiletype=int(number > 0),
                metadata=None,
                software=False,
                maxworkers=1,
            )


def _tiles(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Tiles row by row; those at the right and lower edges repeat their last pixels, because JPEG blurs sharp edges."""
    height, width = pixels.shape[:2]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = pixels[top : top + TILE, left : left + TILE]
            padding = ((0, TILE - tile.shape[0]), (0, TILE - tile.shape[1]), (0, 0))
            yield np.pad(tile, padding, mode="edge") if tile.shape[:2] != (TILE, TILE) else np.ascontiguousarray(tile)


def _description(width: int, height: int, mpp: float) -> str:
    size = f"{width}x{height} [0,0 {width}x{height}] ({TILE}x{TILE}) JPEG/RGB Q={QUALITY}"
    return f"Aperio Image Library v11.2.1 \r\n{size}|AppMag = {10 / mpp:g}|MPP = {mpp:.4f}"
