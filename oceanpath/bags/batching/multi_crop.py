"""Global and local crops of each bag."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from oceanpath.bags.augment.base import Range
from oceanpath.bags.batching.base import Batching


class MultiCrop(Batching):
    """`batch_size` bags per batch in random order, each as global and local crops (Caron et al. 2020).

    The method decides how many.
    """

    name: Literal["multi_crop"] = "multi_crop"
    """Batching strategy."""
    kinds: ClassVar[tuple[str, ...]] = ("crops",)
    global_area: Range = (0.7, 1.0)
    """Area of a global crop as a fraction of that of the tissue."""
    local_area: Range = (0.2, 0.5)
    """Area of a local crop as a fraction of that of the tissue."""
    global_patches: int = Field(512, ge=1)
    """Maximum number of patches of a global crop."""
    local_patches: int = Field(128, ge=1)
    """Maximum number of patches of a local crop."""
    local_noise: float = Field(1.5, ge=0.0)
    """Factor of the Gaussian noise of local crops."""
