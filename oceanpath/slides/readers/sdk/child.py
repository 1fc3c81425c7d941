"""The process that holds a maker's library and one open slide; nothing here runs in the process of a run.

usage: python -m oceanpath.slides.readers.sdk.child SUFFIX LIFELINE

Requests and replies, as `oceanpath.subprocess_worker` sends them:

    {"op": "open", "path"}                              → {"sizes", "downsamples", "mpp", "mpp_source", "power"}
    {"op": "read", "x", "y", "level", "width", "height"} → {} and RGB bytes; x and y in pixels of the level
    (what the library raised)                           → {"error"}, or {"unloadable"} where it cannot be imported
"""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oceanpath.subprocess_worker import serve

FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a damaged slide makes a library raise, with the library's own errors; anything else ends the process."""


class SdkImage(Protocol):
    """What each format offers, in a file of its own beside this one."""

    sizes: list[tuple[int, int]]
    """Width and height of each level."""
    downsamples: list[float]
    mpp: tuple[float, float]
    """µm a level-0 pixel, x and y; 0 where the slide does not tell."""
    mpp_source: str
    power: float
    """Of the objective; 0 where the slide does not tell."""

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """RGB [height, width, 3] of a region that lies inside the level; x and y are pixels of the level."""


def open_sdk_slide(suffix: str, path: str) -> SdkImage:
    """Open a slide; the library is imported here. Raises: whatever the library raises."""
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
        """The reply and its payload; what the library raises is a reply too."""
        try:
            if self._slide is None:
                self._slide = open_sdk_slide(self._suffix, request["path"])
                return _told(self._slide), b""
            place = [int(request[key]) for key in ("x", "y", "level", "width", "height")]
            region = np.ascontiguousarray(self._slide.read(*place))
        except ImportError as error:
            return {"unloadable": str(error)}, b""
        except FAULTS as error:
            return {"error": f"{type(error).__name__}: {error}"}, b""
        if region.shape != (place[4], place[3], 3) or region.dtype != np.uint8:
            return {"error": f"the library gave {region.dtype} {region.shape} for {place}"}, b""
        return {}, region.tobytes()


def _told(slide: SdkImage) -> dict[str, Any]:
    told = {"sizes": slide.sizes, "downsamples": slide.downsamples, "power": slide.power}
    return told | {"mpp": slide.mpp, "mpp_source": slide.mpp_source}


if __name__ == "__main__":
    serve(SdkRequests(sys.argv[1]).answer, int(sys.argv[2]))
