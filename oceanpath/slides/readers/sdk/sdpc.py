"""`.sdpc` (Shengqiang) through opensdpc, which binds the vendor's closed-source decoder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.slides.readers.sdk.geometry import level0_position


class SdpcSlide:
    """A slide with its stored levels."""

    mpp_source = "sdpc.ruler"

    def __init__(self, path: str) -> None:
        """Open it.

        Raises: ValueError: the decoder cannot open it; ImportError: its libraries cannot be loaded.
        """
        try:
            from opensdpc.OpenSdpc import OldSdpc
        except OSError as error:  # raised by the dynamic loader
            raise ImportError(str(error)) from error
        self._file = OldSdpc(path)
        head = self._file.sdpc.contents.picHead.contents
        self.sizes = [(int(width), int(height)) for width, height in self._file.level_dimensions]
        self.downsamples = [float(downsample) for downsample in self._file.level_downsamples]
        self.mpp, self.power = (float(head.ruler), float(head.ruler)), float(head.rate)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """See `SdkImage.read`."""
        downsample = self.downsamples[level]
        corner = (level0_position(x, downsample), level0_position(y, downsample))
        return np.asarray(self._file.read_region(corner, level, (width, height)))
