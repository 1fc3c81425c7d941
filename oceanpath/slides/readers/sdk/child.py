"""The child process that runs an SDK with one open slide.

usage: python -m oceanpath.slides.readers.sdk.child SUFFIX LIFELINE

Requests and replies, as `oceanpath.subprocess_worker` sends them:

    {"op": "open", "path"}                              → {"sizes", "downsamples", "mpp", "mpp_source", "power"}
    {"op": "read", "x", "y", "level", "width", "height"} → {} and RGB bytes; x and y in pixels of the level
    (the library raised)                                → {"error"}, or {"unloadable"} if it cannot be imported
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oceanpath.subprocess_worker import serve

FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""Exceptions of libraries for a damaged slide; any other ends the process."""


class SdkImage(Protocol):
    """Interface of each format; one module per format implements it."""

    sizes: list[tuple[int, int]]
    """Width and height of each level."""
    downsamples: list[float]
    mpp: tuple[float, float]
    """µm per level-0 pixel, x and y; 0 if the slide does not record it."""
    mpp_source: str
    power: float
    """Magnification of the objective; 0 if the slide does not record it."""

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """RGB [height, width, 3] of a region inside the level; x and y are pixels of the level."""


def open_sdk_slide(suffix: str, path: str) -> SdkImage:
    """Open a slide; this imports the library. Raises: any exception of the library."""
    if suffix == ".czi":
        from oceanpath.slides.readers.sdk.czi import CziSlide

        return CziSlide(path)
    if suffix == ".kfb":
        from oceanpath.slides.readers.sdk.kfb import KfbSlide

        return KfbSlide(path)
    from oceanpath.slides.readers.sdk.sdpc import SdpcSlide

    return SdpcSlide(path)


class SdkRequests:
    """Answers requests about one slide."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._slide: SdkImage | None = None

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The reply and its payload; an exception of the library is a reply too."""
        try:
            if self._slide is None:
                self._slide = open_sdk_slide(self._suffix, request["path"])
                return _info(self._slide), b""
            area = [int(request[key]) for key in ("x", "y", "level", "width", "height")]
            region = np.ascontiguousarray(self._slide.read(*area))
        except ImportError as error:
            return {"unloadable": str(error)}, b""
        except FAULTS as error:
            return {"error": f"{type(error).__name__}: {error}"}, b""
        if region.shape != (area[4], area[3], 3) or region.dtype != np.uint8:
            return {"error": f"the library returned {region.dtype} {region.shape} for {area}"}, b""
        return {}, region.tobytes()


def _info(slide: SdkImage) -> dict[str, Any]:
    info = {"sizes": slide.sizes, "downsamples": slide.downsamples, "power": slide.power}
    return info | {"mpp": slide.mpp, "mpp_source": slide.mpp_source}


if __name__ == "__main__":
    serve(SdkRequests(sys.argv[1]).answer, int(sys.argv[2]))
