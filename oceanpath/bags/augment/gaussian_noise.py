"""Noise relative to the standard deviation of each feature."""

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


class GaussianNoise(FeatureChange):
    """Adds Gaussian noise in proportion to the standard deviation of each feature over the store.

    Each view reads consecutive values of a fixed table of normal numbers, from a position of its own.
    """

    category: ClassVar[Category] = "features"
    share: float = Field(0.02, ge=0.0)
    """Standard deviation of the noise as a share of the feature's own."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:  # noqa: ARG002  # the interface of perturbations
        """Position in the table as a fraction of its length, and size of the noise, [1] each."""
        import numpy as np

        return random.random(1), np.full(1, self.share, np.float32)

    def apply(self, patches: Patches, values: Tensor, draws: Sequence[Tensor]) -> None:
        """See `FeatureChange.apply`."""
        from oceanpath.bags.augment.noise_table import noise_rows

        starts, sizes = draws
        noise = noise_rows(starts, patches.views, values.shape[1])
        if len(sizes) == 1:
            values.addcmul_(noise, patches.deviation * sizes)
        else:
            values.addcmul_(noise * sizes.index_select(0, patches.views).unsqueeze(1), patches.deviation)
