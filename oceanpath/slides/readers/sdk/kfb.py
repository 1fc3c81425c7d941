"""`.kfb` (KFBio) through kfbslide, whose interface is that of OpenSlide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.slides.readers.sdk.geometry import level0_position


class KfbSlide:
    """A slide with its stored levels."""

    mpp_source = "kfb.mpp"

    def __init__(self, path: str) -> None:
        """Open it. Raises: ValueError: kfbslide cannot open it."""
        with _as_value_error():
            from kfbslide import OpenSlide

            self._file = OpenSlide(path)
            self.sizes = [(int(width), int(height)) for width, height in self._file.level_dimensions]
            self.downsamples = [float(downsample) for downsample in self._file.level_downsamples]
            properties = self._file.properties
        self.mpp = (float(properties.get("openslide.mpp-x", 0)), float(properties.get("openslide.mpp-y", 0)))
        self.power = float(properties.get("openslide.objective-power", 0))

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """See `SdkImage.read`."""
        downsample = self.downsamples[level]
        corner = (level0_position(x, downsample), level0_position(y, downsample))
        with _as_value_error():
            region = self._file.read_region(corner, level, (width, height)).convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", region.size, "white"), region).convert("RGB"))


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Convert errors of the package to ValueError, because their base class is not a standard exception."""
    from kfbslide import OpenSlideError

    try:
        yield
    except OpenSlideError as error:
        raise ValueError(str(error)) from error
