"""Features of a slide that stay in their file until the model evaluates them, block by block.

Nothing of the size of a slide is allocated: in new memory every page costs more time than its bytes take to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.floating]


@dataclass(frozen=True)
class StoredRows:
    """Features [n, D] in a file."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    read: Callable[[int], Generator[Block]]
    """Rows in their order, if possible in blocks of the given size; each block may overwrite the previous one."""


Features = NDArray[np.floating] | StoredRows
"""Features [n, D], in memory or in a file."""


def in_memory(features: Features) -> Block:
    """All rows, [n, D]; read if they are in a file. Raises: the errors of `StoredRows.read`."""
    if not isinstance(features, StoredRows):
        return features
    with closing(features.read(features.shape[0])) as parts:
        return np.concatenate([part.copy() for part in parts])


def in_blocks(features: Features, size: int) -> Generator[Block]:
    """Blocks of `size` rows, the last one with the rest; the next block may overwrite a block.

    Raises: the errors of `StoredRows.read`.
    """
    if not isinstance(features, StoredRows):
        yield from (features[start : start + size] for start in range(0, len(features), size))
        return
    with closing(features.read(size)) as parts:
        yield from _joined(parts, features, size)


def _joined(parts: Iterator[Block], rows: StoredRows, size: int) -> Iterator[Block]:
    """Full blocks of parts of any size, which are copied only if they have another one."""
    left, dim = rows.shape
    block, filled = np.empty((0, dim), rows.dtype), 0
    for part in parts:
        start = 0
        while start < len(part):
            wanted = min(size, left)
            if not filled and len(part) - start >= wanted:
                yield part[start : start + wanted]
                start, left = start + wanted, left - wanted
                continue
            block = block if len(block) else np.empty((wanted, dim), rows.dtype)
            count = min(wanted - filled, len(part) - start)
            block[filled : filled + count] = part[start : start + count]
            start, filled = start + count, filled + count
            if filled == wanted:
                yield block[:filled]
                left, filled = left - wanted, 0
