"""Pictures of slides: facts, patches and tiles. They have threads of their own and do not delay predictions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Gauge

from oceanpath.serving.bounded_pool import BoundedPool
from oceanpath.serving.errors import MalformedError, TooLargeError, UnknownTileError
from oceanpath.serving.responses import SlideImage
from oceanpath.serving.slide_images import SlideImages
from oceanpath.slides.deep_zoom import FORMAT, OVERLAP_PX, TILE_PX, DeepZoom, coarsest_tiles
from oceanpath.slides.picture import Box, TooManyPixelsError, encode_jpeg, read_picture
from oceanpath.slides.reader import SlideReader

THREADS = 2
SLOTS = 64
"""Pictures that are read or wait; a browser requests six at a time."""
TILE_NAME = re.compile(rf"(\d{{1,9}})_(\d{{1,9}})\.{FORMAT}")
A = TypeVar("A")


@dataclass(frozen=True)
class PatchOfSlide:
    """A square patch of a slide and the size of its picture."""

    x: int
    y: int
    """Top-left corner in level-0 pixels."""
    side: float
    """Width in level-0 pixels; the height has the same number of micrometres."""
    size: int
    """Largest side of the picture in pixels."""


class Pictures:
    """Reads pictures of the slides in the configured folder."""

    def __init__(self, images: SlideImages, seconds: float, active: Gauge) -> None:
        """`seconds` is the time limit of a picture; `active` counts those in progress."""
        self._images = images
        self._pool = BoundedPool("picture", THREADS, SLOTS, seconds, active)

    def close(self) -> None:
        """Stop the threads and close all slides."""
        self._pool.close()
        self._images.close()

    async def image(self, slide_id: str) -> SlideImage:
        """Size and resolution of a slide. Raises: RequestError."""
        return await self._read(slide_id, lambda reader: describe(slide_id, reader))

    async def descriptor(self, slide_id: str) -> str:
        """The Deep Zoom descriptor of a slide. Raises: RequestError."""
        return await self._read(slide_id, lambda reader: DeepZoom(reader.width, reader.height).descriptor())

    async def patch(self, slide_id: str, patch: PatchOfSlide) -> bytes:
        """A patch as JPEG. Raises: RequestError."""
        return await self._read(slide_id, lambda reader: patch_jpeg(reader, patch))

    async def tile(self, slide_id: str, level: int, name: str) -> bytes:
        """A tile as JPEG; its name is COLUMN_ROW.jpeg. Raises: RequestError."""
        return await self._read(slide_id, lambda reader: tile_jpeg(reader, level, name))

    async def _read(self, slide_id: str, work: Callable[[SlideReader], A]) -> A:
        """The result of `work` in a thread, with the slide open."""

        async def nothing() -> None:
            """These requests have no body."""

        def with_reader(_: None) -> A:
            with self._images.reader(slide_id) as reader:
                return work(reader)

        return await self._pool.run(nothing, with_reader)


def describe(slide_id: str, reader: SlideReader) -> SlideImage:
    """The facts of a slide that a viewer needs."""
    is_known = reader.mpp.source != "default_mpp"
    return {
        "slide_id": slide_id,
        "width": reader.width,
        "height": reader.height,
        "mpp": [reader.mpp.x, reader.mpp.y] if is_known else None,
        "tile_px": TILE_PX,
        "overlap_px": OVERLAP_PX,
        "min_level": coarsest_tiles(reader),
        "max_level": DeepZoom(reader.width, reader.height).max_level,
    }


def patch_jpeg(reader: SlideReader, patch: PatchOfSlide) -> bytes:
    """The picture of a patch, at most `size` pixels wide and never enlarged.

    Raises: MalformedError: its corner is outside the slide. TooLargeError: it needs too many pixels.
    """
    if patch.x >= reader.width or patch.y >= reader.height:
        expected = f"x below {reader.width}, y below {reader.height}"
        raise MalformedError("the patch is outside the slide", expected=expected, got=f"x {patch.x}, y {patch.y}")
    size = min(patch.size, math.ceil(patch.side))
    return _jpeg(reader, Box(patch.x, patch.y, patch.side, patch.side * reader.mpp.x / reader.mpp.y), size, size)


def tile_jpeg(reader: SlideReader, level: int, name: str) -> bytes:
    """The picture of a tile. Raises: UnknownTileError: there is none."""
    image, least = DeepZoom(reader.width, reader.height), coarsest_tiles(reader)
    found = TILE_NAME.fullmatch(name)
    tile = image.tile(level, int(found[1]), int(found[2])) if found and level >= least else None
    if tile is None:
        expected = f"level {least} to {image.max_level} and COLUMN_ROW.{FORMAT}"
        raise UnknownTileError("no such tile", expected=expected, got=f"level {level}, {name!a}")
    return _jpeg(reader, tile.box, tile.width, tile.height)


def _jpeg(reader: SlideReader, box: Box, width: int, height: int) -> bytes:
    try:
        return encode_jpeg(read_picture(reader, box, width, height))
    except TooManyPixelsError as error:
        raise TooLargeError(error.what, expected=error.expected, got=error.got) from error
