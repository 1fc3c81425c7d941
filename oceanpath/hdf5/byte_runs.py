"""An array as runs of bytes in a file, read in order without the HDF5 library and its lock."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_GAP_BYTES = 1 << 16
"""Runs that are at most this many bytes apart are read by one call; the bytes between them are discarded."""
MAX_RUNS_PER_CALL = 500
"""Runs per call: together with the gaps between them, fewer than the 1024 buffers that the system accepts."""
MAX_RATIO, LARGE = 100, 1 << 30
"""Maximum ratio of decompressed to stored bytes; features are never compressed to a hundredth."""


@dataclass(frozen=True)
class Runs:
    """The bytes of an array, in row order, as `sizes[r]` bytes from `offsets[r]` of the file."""

    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Position in the array, in bytes, at which each run ends."""

    @classmethod
    def of(cls, offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> Runs:
        """Runs from offsets and sizes; adjacent ones in the file become one."""
        apart = np.flatnonzero(offsets[1:] != offsets[:-1] + sizes[:-1])
        ends = np.cumsum(sizes)
        firsts, lasts = np.concatenate([[0], apart + 1]), np.concatenate([apart, [len(sizes) - 1]])
        return cls(offsets[firsts], np.diff(ends[lasts], prepend=0), ends[lasts])

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return int(self.ends[-1])

    def read_into(self, handle: int, start: int, out: memoryview) -> None:
        """Fill `out` with the array's bytes from byte `start`. Raises: EOFError: the file ends before the array."""
        stop = start + len(out)
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right").tolist()
        if stop > self.nbytes:
            raise EOFError(f"{stop} bytes were requested of an array of {self.nbytes}")
        begun = start - int(self.ends[first]) + int(self.sizes[first])  # bytes of the first run before `start`
        if first == last:
            fill(handle, out, int(self.offsets[first]) + begun)
            return
        sizes = self.sizes[first : last + 1].copy()
        offsets = self.offsets[first : last + 1].copy()
        offsets[0] += begun
        sizes[0] -= begun
        sizes[-1] -= int(self.ends[last]) - stop
        gaps = offsets[1:] - offsets[:-1] - sizes[:-1]
        cut = (gaps < 0) | (gaps > MAX_GAP_BYTES) | (np.arange(1, len(gaps) + 1) % MAX_RUNS_PER_CALL == 0)
        done = begin = 0
        for end in [*(np.flatnonzero(cut) + 1).tolist(), len(sizes)]:
            done = _gather(handle, offsets[begin:end].tolist(), sizes[begin:end].tolist(), out, done)
            begin = end


def _gather(handle: int, offsets: list[int], sizes: list[int], out: memoryview, done: int) -> int:
    """Read neighbouring runs into `out` from byte `done` with one call; returns the number of bytes read."""
    gap = memoryview(bytearray(MAX_GAP_BYTES)) if len(offsets) > 1 else memoryview(b"")
    begin, position, buffers = done, offsets[0], []
    for offset, size in zip(offsets, sizes, strict=True):
        if offset > position:
            buffers.append(gap[: offset - position])
        buffers.append(out[done : done + size])
        done, position = done + size, offset + size
    if os.preadv(handle, buffers, offsets[0]) != position - offsets[0]:  # a signal, or the end of the file
        for offset, size in zip(offsets, sizes, strict=True):
            fill(handle, out[begin : begin + size], offset)
            begin += size
    return done


def fill(handle: int, view: memoryview, offset: int) -> None:
    """Fill `view` with the bytes of a file from `offset`. Raises: EOFError: the file ends before."""
    while view:
        got = os.preadv(handle, [view], offset)
        if not got:
            raise EOFError(f"the file ends at {offset}, before its data does")
        view, offset = view[got:], offset + got


def is_implausible(nbytes: int, stored: int) -> bool:
    """Whether `nbytes` is more than `stored` bytes can plausibly decompress to."""
    return nbytes > LARGE and nbytes > MAX_RATIO * stored
