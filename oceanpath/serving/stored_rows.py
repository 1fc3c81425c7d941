"""Features of a slide that stay in their file until the model evaluates them, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredRows:
    """Features [n, D] in a file."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    read: Callable[[], Iterator[NDArray[np.floating]]]
    """Rows in their order, in parts of any size; each part may overwrite the previous one."""


Features = NDArray[np.floating] | StoredRows
"""Features [n, D], in memory or in a file."""


def in_blocks(features: Features, size: int) -> Iterator[NDArray[np.floating]]:
    """Blocks of `size` rows; the last one may have fewer, and each may be overwritten by the one after the next.

    A block of a file is read in a thread while the previous one is used.

    Raises: the errors of `StoredRows.read`.
    """
    if not isinstance(features, StoredRows):
        yield from (features[start : start + size] for start in range(0, len(features), size))
        return
    with closing(_filled(features, size)) as blocks, ThreadPoolExecutor(1, "read") as reader:
        pending = reader.submit(next, blocks, None)
        while (block := pending.result()) is not None:
            pending = reader.submit(next, blocks, None)
            yield block


def _filled(rows: StoredRows, size: int) -> Iterator[NDArray[np.floating]]:
    """Blocks in two alternating buffers."""
    n, dim = rows.shape
    buffers: list[NDArray[np.floating]] = [np.empty((min(size, n), dim), rows.dtype) for _ in range(2)]
    filled = 0
    for part in rows.read():
        while len(part):
            count = min(len(part), len(buffers[0]) - filled)
            buffers[0][filled : filled + count] = part[:count]
            filled, part = filled + count, part[count:]  # noqa: PLW2901  # the rest of the part
            if filled == len(buffers[0]):
                yield buffers[0]
                buffers.reverse()
                filled = 0
    if filled:
        yield buffers[0][:filled]
