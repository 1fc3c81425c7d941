"""Blending with the neighbours on the slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from oceanpath.bags.augment.base import Category, Perturbation, Range

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from oceanpath.bags.augment.bag import Patches, SourceBag


class LocalFeatureSmooth(Perturbation):
    """Blends some patches with the mean of their nearest neighbours on the slide: (1 - alpha) x + alpha mean."""

    category: ClassVar[Category] = "neighbourhood"
    needs_coords: ClassVar[bool] = True
    k: int = Field(5, ge=1, le=8)
    """Number of neighbours."""
    alpha: Range = (0.05, 0.3)
    """Weight of the neighbours, drawn once per view."""
    share: float = Field(0.5, ge=0.0, le=1.0)
    """Share of patches that is changed."""

    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:  # noqa: ARG002  # the interface of perturbations
        """Weight of each patch, 0 where it stays unchanged."""
        weights = (random.random(len(rows)) < self.share) * random.uniform(*self.alpha)
        return (weights.astype("float32"),)

    def apply(self, patches: Patches, values: Tensor, draws: Sequence[Tensor]) -> None:
        """See `Perturbation.apply`."""
        from torch.nn.functional import embedding_bag

        changed = draws[0].nonzero().squeeze(1)
        if not len(changed) or patches.neighbours is None:
            return
        near = patches.neighbours.index_select(0, changed)[:, : self.k]
        means = embedding_bag(near, patches.stored, mode="mean").float()
        weights = draws[0].index_select(0, changed).unsqueeze(1)
        values.index_copy_(0, changed, values.index_select(0, changed).lerp_(means, weights))
