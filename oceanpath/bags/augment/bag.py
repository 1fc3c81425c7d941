"""What augmentations read: a bag before the selection, and the selected patches of one or more views."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class SourceBag:
    """One slide of a store, without its features."""

    slide_id: str
    length: int
    dim: int
    """Length D of a patch feature."""
    coords: NDArray[np.int32] | None = None
    """[N, 2] level-0 pixels."""
    spacing: int = 1
    """Distance of adjacent patches, level-0 pixels."""

    @cached_property
    def corners(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Top-left and bottom-right corner of the tissue, [2] each; the second is not part of it."""
        x, y = self.positions.T
        return np.array([x.min(), y.min()], np.int64), np.array([x.max(), y.max()], np.int64) + self.spacing

    @property
    def positions(self) -> NDArray[np.int32]:
        """The coordinates of a bag that has them. Raises: ValueError: it has none."""
        if self.coords is None:
            raise ValueError(f"slide {self.slide_id} has no coordinates")
        return self.coords

    def positions_of(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """The coordinates of some rows. `take` copies whole rows, and is ten times faster than an index here."""
        return self.positions.take(rows, axis=0)


@dataclass(frozen=True)
class View:
    """One view of a bag: its rows, and the random numbers of what is applied to them."""

    bag: SourceBag
    rows: NDArray[np.int64]
    """[n], sorted."""
    coords: NDArray[np.int32] | None
    """[n, 2] after the coordinate transforms."""
    draws: dict[str, tuple[NDArray[Any], ...]] = field(default_factory=dict)
    """Name of each perturbation → its random numbers."""


@dataclass(frozen=True)
class Patches:
    """The selected patches of one or more views on their device."""

    stored: Tensor
    """[N, D] features as stored, from which the rows and their neighbours are read."""
    rows: Tensor
    """[n] int64, rows of `stored`."""
    neighbours: Tensor | None
    """[n, k] int64, rows of `stored`, nearest first; None without coordinates."""
    views: Tensor
    """[n] int64, view of each patch, from 0."""
    deviation: Tensor
    """[D] float32, standard deviation of each feature over the store."""
