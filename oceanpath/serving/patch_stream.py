"""A large body of patches as numbers: full blocks are evaluated while the rest of the body arrives."""

from __future__ import annotations

import io
import math
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import numpy as np

from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.features.npy_header import NPY_MAGIC, read_npy_header
from oceanpath.serving.blocks import BLOCK
from oceanpath.serving.decode import matrix_shape, validate_npy_dtype, validate_npy_size
from oceanpath.serving.errors import RequestError
from oceanpath.serving.prediction_request import Limits, validate_size
from oceanpath.serving.slide_run import SlideRun

HEADER = 4096
"""Bytes of a body from which its format is recognised; longer headers are not streamed."""


CheckSize = Callable[[int, tuple[int, int], np.dtype[Any]], None]
"""Raises MalformedError unless this number of bytes is an array of this shape and dtype."""


class PatchLayout(NamedTuple):
    """How a body contains patches: [n, D] in rows, up to its end."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int
    """Number of bytes before the patches."""
    check_size: CheckSize
    """Called with the number of bytes after `offset`, when the body is complete."""

    @property
    def nbytes(self) -> int:
        """Bytes of the patches."""
        return math.prod(self.shape) * self.dtype.itemsize

    def is_streamed(self, contract: Contract) -> bool:
        """Whether blocks of these patches can be evaluated before the others are known.

        Other bodies are needed as a whole, such as one above the cap. One that does not meet the contract is decoded
        as a whole too, and gets its error there.
        """
        n, dim = self.shape
        exceeds_cap = contract.cap is not None and n > contract.cap.max_patches
        is_whole = n <= BLOCK or contract.coords == "required" or exceeds_cap or contract.slide_level
        return not is_whole and dim == contract.feature_dim


def find_layout(start: bytes | bytearray, contract: Contract, limits: Limits) -> PatchLayout | None:
    """The layout of a body that begins with `start`, if it is a .npy whose patches can be evaluated in blocks."""
    if not start.startswith(NPY_MAGIC):
        return None
    stream = io.BytesIO(start[:HEADER])
    try:
        header = validate_npy_dtype(read_npy_header(stream), "f")
        layout = PatchLayout(matrix_shape(header.shape), header.dtype, stream.tell(), validate_npy_size)
        validate_size(layout.shape, layout.dtype.itemsize, limits)
    except (ValueError, RequestError):
        return None
    return layout if not header.fortran and layout.is_streamed(contract) else None


class PatchStream:
    """Collects the chunks of a body in two alternating buffers of one block each."""

    def __init__(
        self, layout: PatchLayout, run: SlideRun, in_thread: Callable[[Callable[[], None]], Awaitable[None]]
    ) -> None:
        """`in_thread` starts a function outside the event loop."""
        self.run, self.layout, self._in_thread = run, layout, in_thread
        self._buffers = [np.empty((BLOCK, layout.shape[1]), layout.dtype) for _ in range(2)]
        self._bytes = [buffer.reshape(-1).view(np.uint8).data for buffer in self._buffers]
        self._row_bytes = layout.shape[1] * layout.dtype.itemsize
        self._filled = self._received = 0
        self._pending: Awaitable[None] | None = None

    async def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """The next bytes of the patches. Bytes after the last patch are only counted."""
        view = memoryview(chunk)[: max(0, self.layout.nbytes - self._received)]
        self._received += len(chunk)
        while view:
            count = min(len(view), len(self._bytes[0]) - self._filled)
            self._bytes[0][self._filled : self._filled + count] = view[:count]
            self._filled, view = self._filled + count, view[count:]
            if self._filled == len(self._bytes[0]):
                await self._evaluate()

    async def end(self) -> None:
        """Evaluate the last patches. Raises: MalformedError: the body has another size than its header states."""
        self.layout.check_size(self._received, self.layout.shape, self.layout.dtype)
        await self._evaluate()
        await self._wait()

    async def _evaluate(self) -> None:
        """Begin with the patches in the buffer, after those of the other buffer."""
        await self._wait()
        patches = self._buffers[0][: self._filled // self._row_bytes]
        if len(patches):
            self._pending = self._in_thread(lambda: self.run.add(patches))
        self._buffers.reverse()
        self._bytes.reverse()
        self._filled = 0

    async def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            await pending
