"""`.kfb` (KFBio) through kfbslide, which speaks as OpenSlide does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.slides.readers.sdk.geometry import level0_position


class KfbSlide:
    """A slide with the levels it stores."""

    mpp_source = "kfb.mpp"

    def __init__(self, path: str) -> None:
        """Open it. Raises: ValueError: kfbslide cannot."""
        with _own_errors():
            from kfbslide import OpenSlide

            self._file = OpenSlide(path)
            self.sizes = [(int(width), int(height)) for width, height in self._file.level_dimensions]
            self.downsamples = [float(downsample) for downsample in self._file.level_downsamples]
            told = self._file.properties
        self.mpp = (float(told.get("openslide.mpp-x", 0)), float(told.get("openslide.mpp-y", 0)))
        self.power = float(told.get("openslide.objective-power", 0))

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """See `VendorSlide.read`."""
        downsample = self.downsamples[level]
        place = (level0_position(x, downsample), level0_position(y, downsample))
        with _own_errors():
            region = self._file.read_region(place, level, (width, height)).convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", region.size, "white"), region).convert("RGB"))


@contextmanager
def _own_errors() -> Iterator[None]:
    """The package's own errors as one of ours in kind: they derive from nothing that means a bad file."""
    from kfbslide import OpenSlideError

    try:
        yield
    except OpenSlideError as error:
        raise ValueError(str(error)) from error
