"""Removal of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Category, FeatureChange

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from oceanpath.bags.augment.bag import Patches, SourceBag


class FeatureDropout(FeatureChange):
    """Sets some features to zero, the same ones for all patches of a view; the others are not rescaled."""

    category: ClassVar[Category] = "features"
    rate: float = Field(0.05, ge=0.0, lt=1.0)
    """Probability that a feature is zero."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:  # noqa: ARG002  # the interface of perturbations
        """1 for each feature that is removed, [1, D]."""
        return ((random.random((1, bag.dim)) < self.rate).astype("float32"),)

    def apply(self, patches: Patches, values: Tensor, draws: Sequence[Tensor]) -> None:
        """See `FeatureChange.apply`."""
        kept = 1 - draws[0]
        values.mul_(kept if len(kept) == 1 else kept.index_select(0, patches.views))
