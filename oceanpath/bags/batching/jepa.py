"""Context and target blocks of each bag."""

from __future__ import annotations

from typing import ClassVar, Literal

from oceanpath.bags.augment.base import FactorRange, Range
from oceanpath.bags.batching.base import Batching


class Jepa(Batching):
    """`batch_size` bags per batch in random order, each as a context and target blocks (Assran et al. 2023).

    The method decides how many.
    """

    name: Literal["jepa"] = "jepa"
    """Batching strategy."""
    kinds: ClassVar[tuple[str, ...]] = ("blocks",)
    target_share: Range = (0.15, 0.2)
    """Patches of a target as a fraction of those of the bag."""
    aspect: FactorRange = (0.75, 1.5)
    """Ratio of width to height of a target, relative to that of the tissue."""
    context_share: Range = (0.85, 1.0)
    """Patches of the context, before those of the targets are removed, as a fraction of those of the bag."""
