"""Interface of all pixel readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError


class UndecodableError(ArtifactError):
    """The slide opened, but some of its pixels cannot be decoded."""


class Pixels(Protocol):
    """The pixels of an open slide, as regions of one level. Safe from several threads."""

    name: str
    """Name recorded with the features: `openslide`, `tiff_tiles`, or an SDK with its version."""

    def regions(
        self, coords: NDArray[np.int64], level: int, width: int, height: int, factor: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """RGB [height / factor, width / factor, 3] at each of `coords` [n, 2], in their order; white outside the slide.

        A region may be overwritten by the next; copy it if it is needed longer.

        Args:
            coords: Left and top edges in level-0 pixels.
            level: Level to read.
            width: Pixels of that level, a multiple of `factor`.
            height: Pixels of that level, a multiple of `factor`.
            factor: Side of the blocks of pixels that are averaged, 1 to 16.

        Raises: UndecodableError: the pixels cannot be decoded.
        """

    def close(self) -> None:
        """Release the resources that this object opened."""
