"""TIFF slides with more than 8 bits per sample, of which OpenSlide returns the upper 8."""

from __future__ import annotations

from pathlib import Path

import tifffile

from oceanpath.errors import StageError

MAX_SCANNED_PIXELS = 2**24
"""Maximum size of the level that is read to find its largest value, in pixels."""


def check_bit_depth(path: Path) -> None:
    """Reject a TIFF whose samples do not use the upper bits, because its pixels would be nearly black.

    White glass is near the largest value of a brightfield slide, so a 16-bit slide without any value in the upper half
    has 12 or 14 bits per sample.

    Raises: StageError: such a slide.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            first = tiff.pages.first
            if not isinstance(first, tifffile.TiffPage) or first.dtype is None or first.dtype.itemsize == 1:
                return
            bits = first.dtype.itemsize * 8
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage) and page.dtype == first.dtype]
            smallest = min(pages, key=lambda page: page.imagewidth * page.imagelength)
            if first.dtype.kind != "u" or smallest.imagewidth * smallest.imagelength > MAX_SCANNED_PIXELS:
                return
            largest = int(smallest.asarray().max())
    except (tifffile.TiffFileError, ValueError, OSError):
        return  # not a TIFF that tifffile reads; OpenSlide decides
    if 0 < largest < 2 ** (bits - 1):
        raise StageError(
            f"the {bits}-bit samples use only the lower {largest.bit_length()} bits",
            where=path,
            expected=f"values up to {2**bits - 1}, or 8 bits per sample",
            got=f"values up to {largest}, which would be read as a nearly black slide",
            do="Convert the slide to 8 bits per sample, or leave it out with extract.exclude.",
        )
