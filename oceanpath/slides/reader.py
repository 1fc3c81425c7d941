"""An open slide: its levels, its resolution and its pixels as RGB; unscanned areas are white."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES
from oceanpath.errors import ArtifactError
from oceanpath.slides.bounds import scanned_bounds
from oceanpath.slides.colour_profile import Convert, profile_name, to_srgb
from oceanpath.slides.readers.bit_depth import check_bit_depth
from oceanpath.slides.readers.choose import choose_pixels
from oceanpath.slides.readers.openslide_pixels import OpenSlidePixels
from oceanpath.slides.readers.pixels import Pixels, UndecodableError
from oceanpath.slides.readers.sdk.slide import SdkSlide
from oceanpath.slides.resolution import resolve_mpp

BLOCK = 4096
"""Side of the blocks in which an overview is read, in level pixels."""
SMALLEST_BLOCK = 64
"""Side of the smallest block that is set to white if it cannot be decoded, in level pixels."""
VENDOR_LIMIT_S = 120.0


@dataclass(frozen=True)
class Opening:
    """How a slide is read; see `open_slide`."""

    override_mpp: float | None
    default_mpp: float | None
    tiles: bool
    skip_undecodable: bool
    to_srgb: bool


class SlideReader:
    """An open slide. Reads are safe from several threads.

    Attributes:
        path: The file.
        width, height: Level-0 pixels.
        mpp: Micrometres per level-0 pixel.
        bounds: The scanned area in level-0 pixels; the whole slide for most scanners.
        undecodable_share: Largest fraction of any overview so far that could not be decoded and is therefore white.
        colour_profile: Description of the ICC profile of the file; "" if there is none.
        level_sizes: (width, height) of each level.
        level_downsamples: Level-0 pixels per pixel of each level, as floats.
        reader: Source of the pixels: `tiff_tiles`, `openslide`, or an SDK with its version.
        reader_reason: Why the tiles are not read directly; "" if they are.
    """

    def __init__(self, path: Path, handle: openslide.OpenSlide | SdkSlide, opening: Opening) -> None:
        self.path, self._handle, self._opening = path, handle, opening
        self.mpp = resolve_mpp(handle.properties, path, override=opening.override_mpp, default=opening.default_mpp)
        self.width, self.height = handle.dimensions
        self.undecodable_share = 0.0
        self._lost = 0
        self.bounds = scanned_bounds(handle.properties, (self.width, self.height))
        self.level_sizes: tuple[tuple[int, int], ...] = handle.level_dimensions
        self.level_downsamples: tuple[float, ...] = handle.level_downsamples
        self.colour_profile, self._convert = _colours_of(handle, opening)
        # last: this reads pixels, and after a damaged tile every call of OpenSlide fails
        self._pixels, self.reader_reason = _pixels_of(path, handle, opening.tiles)
        self.reader = self._pixels.name

    def __enter__(self) -> SlideReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._pixels.close()
        self._handle.close()

    def regions(
        self, coords: NDArray[np.int64], level: int, width: int, height: int, factor: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """RGB [height / factor, width / factor, 3] at each of `coords` [n, 2]; a region may be overwritten by the next.

        Tiles that regions share are decoded once. Coordinates are rounded to the nearest pixel of the level, or to the
        pixel that OpenSlide interpolates on a level whose pixels are not aligned with those of level 0. The pixels do
        not depend on the reader.

        Args:
            coords: Left and top edges in level-0 pixels.
            level: Level to read.
            width: Level pixels, a multiple of `factor`.
            height: Level pixels, a multiple of `factor`.
            factor: Side of the blocks of pixels that are averaged, 1 to 16.

        Raises: ArtifactError: the pixels cannot be decoded.
        """
        regions = self._pixels.regions(coords, level, width, height, factor)
        return regions if self._convert is None else map(self._convert, regions)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """RGB [height, width, 3] of a region.

        Args:
            x: Left edge in level-0 pixels.
            y: Top edge in level-0 pixels.
            level: Level to read.
            width: Level pixels.
            height: Level pixels.

        Raises: ArtifactError: the pixels cannot be decoded.
        """
        return next(self.regions(np.array([[x, y]], np.int64), level, width, height))

    def thumbnail(self, max_px: int) -> NDArray[np.uint8]:
        """The whole slide, its longer side at most `max_px` pixels and never enlarged; RGB [h, w, 3]."""
        scale = min(1.0, max_px / max(self.width, self.height))
        return self.overview(max(1, round(self.width * scale)), max(1, round(self.height * scale)))

    def overview(self, width: int, height: int) -> NDArray[np.uint8]:
        """The whole slide as RGB [height, width, 3], averaged by area; pixels are slide size / `width` wide.

        A level is read in blocks, so a slide with one huge level needs no more memory than a pyramidal slide.
        """
        target = min(self.width / width, self.height / height)
        level = max((i for i, ds in enumerate(self.level_downsamples) if ds <= target * 1.01), default=0)
        level_w, level_h = self.level_sizes[level]
        ratio = min(level_w / width, level_h / height)
        whole = level_w == ratio * width and level_h == ratio * height and ratio == int(ratio)
        factor = int(ratio) if whole else max(1, int(ratio / 2))  # the remaining factor of 2 to 4 is resampled
        self._lost = 0
        small = Image.new("RGB", (-(-level_w // factor), -(-level_h // factor)), "white")
        step = max(1, BLOCK // factor) * factor
        for top in range(0, level_h, step):
            for left in range(0, level_w, step):
                block = self._block(left, top, level, (min(step, level_w - left), min(step, level_h - top)))
                small.paste(block.reduce(factor) if factor > 1 else block, (left // factor, top // factor))
        self.undecodable_share = max(self.undecodable_share, self._lost / (level_w * level_h))
        box = (0.0, 0.0, level_w / factor, level_h / factor)
        return np.asarray(small.resize((width, height), Image.Resampling.HAMMING, box=box))

    def _block(self, left: int, top: int, level: int, size: tuple[int, int]) -> Image.Image:
        downsample = self.level_downsamples[level]
        try:
            return Image.fromarray(self.read(round(left * downsample), round(top * downsample), level, *size))
        except UndecodableError:
            if not self._opening.skip_undecodable:
                raise
        block = Image.new("RGB", size, "white")
        if max(size) <= SMALLEST_BLOCK:
            self._lost += size[0] * size[1]
            return block
        half = max(size) // 2
        for y in range(0, size[1], half):
            for x in range(0, size[0], half):
                part = min(half, size[0] - x), min(half, size[1] - y)
                block.paste(self._block(left + x, top + y, level, part), (x, y))
        return block


def open_slide(
    path: Path,
    *,
    override_mpp: float | None = None,
    default_mpp: float | None = None,
    tiles: bool = True,
    limit_s: float = VENDOR_LIMIT_S,
    skip_undecodable: bool = False,
    to_srgb: bool = False,
) -> SlideReader:
    """Open a slide and determine its resolution.

    Args:
        path: A file of a format that OpenSlide reads, or of a vendor's format whose SDK is installed.
        override_mpp: Used instead of the resolution of the slide.
        default_mpp: Used if the slide has no plausible resolution.
        tiles: Whether plain JPEG tiles may be decoded without OpenSlide; the pixels are the same.
        limit_s: Time limit in seconds for each request to a vendor's SDK.
        skip_undecodable: Whether overviews are white where pixels cannot be decoded; regions always raise an error.
        to_srgb: Whether pixels are converted to sRGB by the ICC profile of the slide, if it has one.

    Raises:
        ArtifactError: the slide is missing, damaged or of an unknown format.
        MissingExtraError: the package for a vendor's format is not installed.
        StageError: the slide has no plausible resolution or unused upper bits, or a vendor's SDK failed or timed out.
    """
    handle: openslide.OpenSlide | SdkSlide
    opening = Opening(override_mpp, default_mpp, tiles, skip_undecodable, to_srgb)
    handle = SdkSlide(path, limit_s) if path.suffix.lower() in CLOSED_SUFFIXES else _opened(path)
    try:
        return SlideReader(path, handle, opening)
    except Exception:
        handle.close()
        raise


def _colours_of(handle: openslide.OpenSlide | SdkSlide, opening: Opening) -> tuple[str, Convert | None]:
    """The name of a slide's ICC profile, and the conversion of its pixels if that is requested."""
    if isinstance(handle, SdkSlide):
        return "", None
    profile = handle.color_profile
    return profile_name(profile), to_srgb(profile) if profile is not None and opening.to_srgb else None


def _pixels_of(path: Path, handle: openslide.OpenSlide | SdkSlide, tiles: bool) -> tuple[Pixels, str]:
    if isinstance(handle, SdkSlide):
        return handle, f"a {path.suffix.lower()} slide"
    return choose_pixels(path, handle) if tiles else (OpenSlidePixels(path, handle), "")


def _opened(path: Path) -> openslide.OpenSlide:
    do = "Copy the slide again, convert it to a pyramidal TIFF, or leave it out with extract.exclude."
    try:
        handle = openslide.OpenSlide(path)
    except openslide.OpenSlideUnsupportedFormatError as error:
        got = "not a slide format, or the file is truncated"
        raise ArtifactError("OpenSlide cannot open this file", where=path, got=got, do=do) from error
    except (openslide.OpenSlideError, OSError) as error:
        raise ArtifactError("OpenSlide cannot open this file", where=path, got=error, do=do) from error
    if handle.properties.get("openslide.vendor") == "generic-tiff":
        check_bit_depth(path)
    return handle
