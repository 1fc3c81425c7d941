"""Pixels read by OpenSlide, one region at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from oceanpath.slides.downsample import block_means
from oceanpath.slides.readers.pixels import UndecodableError

WHOLE = 1 / 1024
"""Coordinates nearer than this to a whole level pixel are not interpolated: cairo's unit is 1/256 of a pixel."""


class OpenSlidePixels:
    """Regions of a slide that OpenSlide has opened.

    Coordinates are rounded to the nearest pixel of the level. If a level's downsample is not whole, that pixel is
    between two of level 0, and OpenSlide, which takes integer level-0 coordinates, interpolates over less than half a
    pixel. Every reader uses OpenSlide for such levels; see `on_whole_pixels`.

    After one region that cannot be decoded, every later call of an OpenSlide handle fails, also for intact regions. A
    failed read is therefore repeated once with a new handle, which is kept if it succeeds.
    """

    name = "openslide"

    def __init__(self, path: Path, handle: openslide.OpenSlide) -> None:
        self._path, self._handle, self._downsamples = path, handle, handle.level_downsamples
        self._reopened: list[openslide.OpenSlide] = []
        self._lock = threading.Lock()

    def region(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """RGB [height, width, 3] of one region; unscanned areas are white.

        Raises: UndecodableError: the pixels cannot be decoded.
        """
        try:
            region = self._handle.read_region((x, y), level, (width, height))
        except openslide.OpenSlideError:
            region = self._read_again((x, y), level, (width, height))
        return _on_white(np.asarray(region))

    def _read_again(self, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Image.Image:
        try:
            fresh = openslide.OpenSlide(self._path)
        except (openslide.OpenSlideError, OSError) as error:
            raise UndecodableError("the slide can no longer be opened", where=self._path, got=error) from error
        try:
            region = fresh.read_region(corner, level, size)
        except openslide.OpenSlideError as error:
            fresh.close()
            raise UndecodableError(
                "pixels cannot be decoded",
                where=self._path,
                got=f"{error} at x {corner[0]}, y {corner[1]}, level {level}",
                do='Copy the slide again, leave it out with extract.exclude, or set extract.on_bad_tile = "skip".',
            ) from error
        with self._lock:
            self._reopened.append(fresh)
            self._handle = fresh
        return region

    def regions(
        self, coords: NDArray[np.int64], level: int, width: int, height: int, factor: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """See `Pixels.regions`."""
        downsample = self._downsamples[level]
        nearest = np.rint(level_pixels(coords, downsample) * downsample).astype(np.int64)
        regions = (self.region(int(x), int(y), level, width, height) for x, y in nearest)
        return block_means(regions, width, height, factor)

    def close(self) -> None:
        """Close the handles that this object opened; the first belongs to the caller."""
        while self._reopened:
            self._reopened.pop().close()


def level_pixels(coords: NDArray[np.int64], downsample: float) -> NDArray[np.int64]:
    """The nearest pixels of a level to level-0 `coords`, any shape, halves rounded up."""
    nearest: NDArray[np.int64] = np.floor(np.asarray(coords, np.float64) / downsample + 0.5).astype(np.int64)
    return nearest


def on_whole_pixels(downsample: float, size: tuple[int, int]) -> bool:
    """Whether all pixels of a level of `size` are aligned with pixels of level 0, so that OpenSlide interpolates none.

    A scanner that truncates its levels to whole pixels gives downsamples such as 4.0002, whose offset grows along the
    level.
    """
    return abs(downsample - round(downsample)) * max(size) < WHOLE * downsample


def _on_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB of `rgba` [h, w, 4] on white; openslide-python has already undone the premultiplication."""
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(rgb)
    share = alpha.astype(np.float32) / 255
    mixed: NDArray[np.uint8] = np.rint(rgb * share + 255 * (1 - share)).astype(np.uint8)
    return mixed
