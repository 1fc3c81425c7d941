"""Views of a fixed number of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from oceanpath.bags.batching.base import Batching

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class SubsampleFixedN(Batching):
    """`batch_size` bags per batch in random order, each view a random sample of at most `patches`."""

    name: Literal["subsample_fixed_n"] = "subsample_fixed_n"
    """Batching strategy."""
    patches: int = Field(512, ge=1)
    """Maximum number of patches per view."""

    def limit(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:  # noqa: ARG002  # the interface of strategies
        """See `Batching.limit`."""
        from oceanpath.bags.augment.geometry import random_rows

        return random_rows(rows, self.patches, random)

    def most_rows(self, length: int) -> int:
        """See `Batching.most_rows`."""
        return min(length, self.patches)
