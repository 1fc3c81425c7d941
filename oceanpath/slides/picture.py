"""A rectangle of a slide as a picture of a given size, for viewing."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from oceanpath.errors import ArtifactError
from oceanpath.slides.reader import SlideReader

MOST_PIXELS = 18_000_000
"""Pixels of a level that are read for one picture: about 4,200 by 4,200."""
QUALITY = 88


class TooManyPixelsError(ArtifactError):
    """The slide has no level coarse enough for a picture of this rectangle."""


class Box(NamedTuple):
    """A rectangle in level-0 pixels."""

    left: float
    top: float
    width: float
    height: float


def read_picture(reader: SlideReader, box: Box, width: int, height: int) -> NDArray[np.uint8]:
    """RGB [height, width, 3] of a rectangle, resampled with a filter as wide as its pixels; white outside.

    The coarsest level is read that is not coarser than the picture.

    Raises: TooManyPixelsError: more than `MOST_PIXELS` would be read. ArtifactError: they cannot be decoded.
    """
    level = coarsest_level(reader, min(box.width / width, box.height / height))
    downsample = reader.level_downsamples[level]
    left, top = box.left / downsample, box.top / downsample
    right, bottom = (box.left + box.width) / downsample, (box.top + box.height) / downsample
    x, y = math.floor(left), math.floor(top)
    wide, high = math.ceil(right) - x, math.ceil(bottom) - y
    if wide * high > MOST_PIXELS:
        got = f"{wide} x {high} of level {level}"
        raise TooManyPixelsError("too many pixels for one picture", expected=f"at most {MOST_PIXELS}", got=got)
    pixels = reader.read(round(x * downsample), round(y * downsample), level, wide, high)
    inside = (left - x, top - y, right - x, bottom - y)
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.HAMMING, box=inside)
    return np.asarray(resized)


def coarsest_level(reader: SlideReader, downsample: float) -> int:
    """The coarsest level with at most this many level-0 pixels per pixel; 0 if there is none."""
    fine = [level for level, each in enumerate(reader.level_downsamples) if each <= downsample * 1.001]
    return max(fine, key=lambda level: reader.level_downsamples[level], default=0)


def encode_jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """A JPEG of `rgb` [height, width, 3]."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=QUALITY, colorsubsampling="444")
    return encoded
