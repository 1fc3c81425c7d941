"""Uniform subsampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from oceanpath.bags.augment.base import Range, Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class RandomSubsampling(Selection):
    """A uniform random sample of patches."""

    is_crop: ClassVar[bool] = True
    fraction: Range = (0.5, 1.0)
    """Fraction of patches that is kept."""

    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:  # noqa: ARG002  # the interface of selections
        """See `Selection.select`."""
        from oceanpath.bags.augment.geometry import random_rows

        return random_rows(rows, max(round(len(rows) * random.uniform(*self.fraction)), 1), random)
