"""Downsampling by an integer factor: means of blocks of pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LARGEST_FACTOR = 16
"""The sum of a block, at most 255 · 16 · 16, must fit into 16 bits."""


class BlockMeans:
    """Means of `factor` × `factor` pixels, rounded half up, for images of the same size.

    Not thread-safe: its sums are reused for every image, because allocating them takes as long as adding.
    """

    def __init__(self, width: int, height: int, factor: int) -> None:
        self._factor = factor
        self._down = np.empty((height, width * factor * 3), np.uint16)
        self._sums = np.empty((height * width, 3), np.uint16)

    def __call__(self, pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Write the means of `pixels` [height · factor, width · factor, 3] to `out` [height, width, 3].

        Rows are added first, then columns, one colour at a time. These are long loops; a sum over axes would have inner
        loops of three bytes.
        """
        k, down, sums = self._factor, self._down, self._sums
        lines = pixels.reshape(len(out), k, -1)
        np.add(lines[:, 0], lines[:, 1], out=down, dtype=np.uint16)
        for i in range(2, k):
            np.add(down, lines[:, i], out=down)
        blocks = down.reshape(len(sums), k, 3)
        for colour in range(3):
            np.add(blocks[:, 0, colour], blocks[:, 1, colour], out=sums[:, colour])
            for i in range(2, k):
                np.add(sums[:, colour], blocks[:, i, colour], out=sums[:, colour])
        np.add(sums, k * k // 2, out=sums)
        np.floor_divide(sums, k * k, out=sums)
        out[:] = sums.reshape(out.shape)


def block_means(
    images: Iterator[NDArray[np.uint8]], width: int, height: int, factor: int
) -> Iterator[NDArray[np.uint8]]:
    """`images` [height, width, 3] at 1 / `factor` of their size; the next result may overwrite the one before."""
    if factor == 1:
        yield from images
        return
    means = BlockMeans(width // factor, height // factor, factor)
    out = np.empty((height // factor, width // factor, 3), np.uint8)
    for image in images:
        means(image, out)
        yield out
