"""An open slide of a vendor's format, in the process of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError
from oceanpath.slides.downsample import block_means
from oceanpath.slides.readers.openslide_pixels import level_pixels
from oceanpath.slides.readers.pixels import UndecodableError
from oceanpath.slides.readers.sdk.process import LEAVE_OUT, SdkProcess
from oceanpath.slides.readers.sdk.sdks import sdk_of

WHITE = 255


class SdkSlide:
    """Sizes, properties and pixels of a slide that an SDK has opened in its own process.

    Coordinates are rounded to the nearest pixel of the level, and pixels outside the level are white.
    """

    def __init__(self, path: Path, limit_s: float) -> None:
        """Open it.

        Args:
            path: The slide.
            limit_s: Time limit in seconds for opening the slide and for reading each region.

        Raises:
            ArtifactError: the package cannot open it.
            MissingExtraError: the package is not installed, or cannot be loaded.
            StageError: the process of the package ended unexpectedly or timed out.
        """
        sdk = sdk_of(path)
        self.name = sdk.name
        self._path = path
        self._process = SdkProcess(path, sdk, limit_s)
        try:
            request = {"op": "open", "path": str(path.absolute())}
            info, _ = self._process.ask(request, f"{sdk.name} cannot open this file")
            self.level_dimensions = tuple((int(width), int(height)) for width, height in info["sizes"])
            self.level_downsamples = tuple(float(downsample) for downsample in info["downsamples"])
            if not self.level_dimensions or min(map(min, self.level_dimensions)) < 1:
                raise ArtifactError("the slide has no pixels", where=path, got=info["sizes"], do=LEAVE_OUT)
        except BaseException:
            self._process.close()
            raise
        self.dimensions = self.level_dimensions[0]
        x, y = info["mpp"]
        self.properties: Mapping[str, str] = {
            "sdk.mpp-x": str(x),
            "sdk.mpp-y": str(y),
            "sdk.mpp-source": str(info["mpp_source"]),
            "sdk.objective-power": str(info["power"]),
        }

    def regions(
        self, coords: NDArray[np.int64], level: int, width: int, height: int, factor: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """See `Pixels.regions`."""
        corners = level_pixels(coords, self.level_downsamples[level]).tolist()
        regions = (self._region(x, y, level, width, height) for x, y in corners)
        return block_means(regions, width, height, factor)

    def _region(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """RGB [height, width, 3] at a pixel of a level; only the part inside it is requested."""
        out = np.full((height, width, 3), WHITE, np.uint8)
        wide, high = self.level_dimensions[level]
        left, top = max(0, x), max(0, y)
        right, bottom = min(x + width, wide), min(y + height, high)
        if left >= right or top >= bottom:
            return out
        size = {"width": right - left, "height": bottom - top}
        request = {"op": "read", "x": left, "y": top, "level": level, **size}
        shape = (bottom - top, right - left, 3)
        try:
            _, pixels = self._process.ask(request, "pixels cannot be decoded", math.prod(shape))
        except ArtifactError as error:
            raise UndecodableError(
                error.what, where=error.where, expected=error.expected, got=error.got, do=error.do
            ) from error
        part = np.frombuffer(pixels, np.uint8).reshape(shape)
        out[top - y : bottom - y, left - x : right - x] = part
        return out

    def close(self) -> None:
        """End the process."""
        self._process.close()
