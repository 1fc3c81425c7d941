"""The interface of augmentations. No torch, no numpy: the classes are also settings of an experiment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, PositiveFloat

from oceanpath.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from oceanpath.bags.augment.bag import Patches, SourceBag

Category = Literal["selection", "neighbourhood", "features", "coordinates"]
"""Which patches a view has, features changed by those of other patches, features alone, coordinates alone."""


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lower end is above the upper end")
    return value


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Range = Annotated[tuple[Fraction, Fraction], AfterValidator(_ordered)]
"""Lower and upper end of a fraction that is drawn uniformly."""
FactorRange = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_ordered)]
"""Lower and upper end of a factor that is drawn uniformly."""


class Augmentation(Settings, ABC):
    """One augmentation and its settings, which are the keys of its table below `[pretrain.augment]`."""

    category: ClassVar[Category]
    needs_coords: ClassVar[bool] = False
    """Whether it is left out where patches have no coordinates."""
    probability: float = Field(1.0, ge=0.0, le=1.0)
    """Probability that a view is changed; 0 switches it off."""


class Selection(Augmentation):
    """Selects patches of a bag."""

    category: ClassVar[Category] = "selection"
    is_crop: ClassVar[bool] = False
    """Whether only the first crop that is drawn for a view is used."""

    @abstractmethod
    def select(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        """A sorted part of the sorted `rows` of the bag, never empty."""


class Perturbation(Augmentation):
    """Changes the features of selected patches."""

    @abstractmethod
    def draw(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> tuple[NDArray[Any], ...]:
        """The random numbers of one view of n `rows`: arrays of length n, or of length 1. All zero: nothing changes."""


class NeighbourBlend(Perturbation):
    """Blends the features of patches with those of their neighbours, as they are stored."""

    category: ClassVar[Category] = "neighbourhood"
    needs_coords: ClassVar[bool] = True
    k: int
    """Number of neighbours that are used."""

    @abstractmethod
    def blend(self, weights: Tensor, draws: Sequence[Tensor]) -> None:
        """Change `weights` [n, 1 + K] in place: shares of a patch and of its K nearest neighbours in its features."""


class FeatureChange(Perturbation):
    """Changes features after all blends."""

    @abstractmethod
    def apply(self, patches: Patches, values: Tensor, draws: Sequence[Tensor]) -> None:
        """Change `values` [n, D] float32 in place; `draws` are those of the views, concatenated."""


class CoordTransform(Augmentation):
    """Changes the coordinates of selected patches."""

    category: ClassVar[Category] = "coordinates"
    needs_coords: ClassVar[bool] = True

    @abstractmethod
    def transform(self, coords: NDArray[np.int32], spacing: int, random: Generator) -> NDArray[np.int32]:
        """New coordinates [n, 2], not negative; adjacent patches are `spacing` level-0 pixels apart."""
