"""The distance of neighbouring patches, from their coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spacing_of(coords: NDArray[np.int32]) -> int:
    """The most common distance of adjacent columns or rows of patches [n, 2], level-0 pixels; 1 if there is none."""
    steps = np.concatenate([np.diff(np.unique(coords[:, axis]).astype(np.int64)) for axis in (0, 1)])
    if not len(steps):
        return 1
    values, counts = np.unique(steps, return_counts=True)
    return int(values[counts.argmax()])
