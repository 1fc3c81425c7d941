"""Reused memory: no page faults after the first batches."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

HUGE_PAGE = 1 << 21


class ReusedBuffers:
    """Memory for repeated use; it grows and is never returned to the system."""

    def __init__(self) -> None:
        self._map = _private(mmap.PAGESIZE)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array in the memory, not cleared; it overlaps with the previous one."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size > len(self._map):
            self._map = _private(-(-size // HUGE_PAGE) * HUGE_PAGE)  # the old map is freed with its last view
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self._map.madvise(mmap.MADV_HUGEPAGE)  # one page fault for 2 MiB
        array: NDArray[Any] = np.frombuffer(self._map, dtype, size // dtype.itemsize).reshape(shape)
        return array


def _private(size: int) -> mmap.mmap:
    """New private memory: a forked process has its own copy."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
