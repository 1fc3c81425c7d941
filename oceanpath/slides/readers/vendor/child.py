"""The process that holds a maker's library and one open slide; nothing here runs in the process of a run.

usage: python -m oceanpath.slides.readers.vendor.child SUFFIX LIMIT_S LIFELINE

Requests come on stdin, replies leave on what was stdout (the library's own prints go to stderr); see `messages`:

    {"op": "open", "path"}                              → {"sizes", "downsamples", "mpp", "mpp_source", "power"}
    {"op": "read", "x", "y", "level", "width", "height"} → {} and RGB bytes; x and y in pixels of the level
    (what the library raised)                           → {"error"}, or {"unloadable"} where it cannot be imported
    (end of stdin)                                      → the process ends
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from oceanpath.child_process import end_with_parent
from oceanpath.slides.readers.vendor.messages import packed, received

FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a damaged slide makes a library raise, with the library's own errors; anything else ends the process."""
GRACE_S = 2.0


class VendorSlide(Protocol):
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


def open_vendor_slide(suffix: str, path: str) -> VendorSlide:
    """Open a slide; the library is imported here. Raises: whatever the library raises."""
    if suffix == ".czi":
        from oceanpath.slides.readers.vendor.czi import CziSlide

        return CziSlide(path)
    if suffix == ".kfb":
        from oceanpath.slides.readers.vendor.kfb import KfbSlide

        return KfbSlide(path)
    from oceanpath.slides.readers.vendor.sdpc import SdpcSlide

    return SdpcSlide(path)


class Answers:
    """Answers requests about one slide."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._slide: VendorSlide | None = None

    def answer(self, request: dict[str, Any]) -> list[bytes]:
        """The reply, packed; what the library raises is a reply too."""
        try:
            if self._slide is None:
                self._slide = open_vendor_slide(self._suffix, request["path"])
                return packed(_told(self._slide))
            place = [int(request[key]) for key in ("x", "y", "level", "width", "height")]
            region = np.ascontiguousarray(self._slide.read(*place))
        except ImportError as error:
            return packed({"unloadable": str(error)})
        except FAULTS as error:
            return packed({"error": f"{type(error).__name__}: {error}"})
        if region.shape != (place[4], place[3], 3) or region.dtype != np.uint8:
            return packed({"error": f"the library gave {region.dtype} {region.shape} for {place}"})
        return packed({}, region.tobytes())


def _told(slide: VendorSlide) -> dict[str, Any]:
    told = {"sizes": slide.sizes, "downsamples": slide.downsamples, "power": slide.power}
    return told | {"mpp": slide.mpp, "mpp_source": slide.mpp_source}


def main(suffix: str, limit_s: float, lifeline: int) -> None:
    """Serve requests until stdin ends, the parent is gone, or one request takes longer than `limit_s`."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    end_with_parent(lifeline, group=True)
    answers, requests = Answers(suffix), sys.stdin.buffer
    with Path(os.devnull).open("w") as nowhere:
        while True:
            try:
                request, _ = received(lambda count: _exactly(requests, count))
            except EOFError:
                return
            with _in_time(limit_s + GRACE_S, nowhere):
                pieces = answers.answer(request)
            for piece in pieces:
                replies.write(piece)
            replies.flush()


@contextmanager
def _in_time(limit_s: float, nowhere: Any) -> Iterator[None]:
    """End this process where a request takes too long, also where the library never lets another thread run."""
    faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
    yield
    faulthandler.cancel_dump_traceback_later()


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
