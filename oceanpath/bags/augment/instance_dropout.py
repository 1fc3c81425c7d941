"""Removal of single patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from oceanpath.bags.augment.base import Selection

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from oceanpath.bags.augment.bag import SourceBag


class InstanceDropout(Selection):
    """Removes each patch with the same probability; one patch always stays."""

    rate: float = Field(0.1, ge=0.0, lt=1.0)
    """Probability that a patch is removed."""

    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:  # noqa: ARG002  # the interface of selections
        """See `Selection.select`."""
        stays = random.random(len(rows), dtype="float32") >= self.rate
        stays[int(random.integers(len(rows)))] = True
        return rows[stays]
