"""Detection of collapse from embeddings alone.

Embeddings of different slides become equal (complete collapse) or lie on few axes (dimensional collapse). Both are
measured relative to the first evaluation, before any step, and, for slide embeddings, to the mean pool of the patches:

    diversity     1 - mean cosine of different slides: 0 if all point in one direction
    std           mean standard deviation over dimensions: 0 if all are equal
    rank          RankMe: 1 if all are on one line
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.ssl.monitors.geometry import mean_cosine, spread
from oceanpath.ssl.monitors.rank import rankme

DIVERSITY, STD, RANK = 0.1, 0.02, 0.2
"""Collapsed below these shares of the reference."""
IN_A_ROW = 2
"""Checks below a limit after which training counts as collapsed."""
CHECK_EVERY = 50
"""Largest number of optimiser steps between two checks: collapse is reported within 100 steps of crossing a limit."""


class Shape(NamedTuple):
    """Measures of embeddings of one view of several slides."""

    diversity: float
    std: float
    rank: float

    @classmethod
    def of(cls, z: NDArray[np.floating]) -> Shape:
        """Of embeddings [N, D], N ≥ 2."""
        wide = z.astype(np.float64)
        return cls(1.0 - mean_cosine(wide), spread(wide), rankme(wide))


@dataclass
class CollapseCheck:
    """Compares embeddings with those before the first step."""

    pooled: Shape
    """Of the mean pool of the same patches."""
    first: tuple[Shape, Shape]
    """Of slide embeddings and projections, before the first step."""
    in_a_row: int = 0

    @classmethod
    def begin(cls, pooled: Shape, embeddings: NDArray[np.floating], projections: NDArray[np.floating]) -> CollapseCheck:
        """A check of a training from its embeddings [N, E] and projections [N, P] before the first step."""
        return cls(pooled, (Shape.of(embeddings), Shape.of(projections)))

    def contents(self) -> dict[str, Any]:
        """Plain values."""
        first = [list(shape) for shape in self.first]
        return {"pooled": list(self.pooled), "first": first, "in_a_row": self.in_a_row}

    @classmethod
    def from_contents(cls, contents: Mapping[str, Any]) -> CollapseCheck:
        """The check that `contents` describes."""
        embeddings, projections = (Shape(*shape) for shape in contents["first"])
        return cls(Shape(*contents["pooled"]), (embeddings, projections), contents["in_a_row"])

    def limits(self) -> dict[str, float]:
        """Name of a measure → the value below which it counts as collapsed."""
        embeddings, projections = self.first
        return {
            "diversity of embeddings": DIVERSITY * min(embeddings.diversity, self.pooled.diversity),
            "rank of embeddings": RANK * min(embeddings.rank, self.pooled.rank),
            "diversity of projections": DIVERSITY * projections.diversity,
            "std of projections": STD * projections.std,
            "rank of projections": RANK * projections.rank,
        }

    def update(self, embeddings: NDArray[np.floating], projections: NDArray[np.floating]) -> str:
        """Why training has collapsed, with the numbers; "" if it has not. Embeddings [N, E], projections [N, P]."""
        below = self.below(embeddings, projections)
        self.in_a_row = self.in_a_row + 1 if below else 0
        return ", ".join(below) if self.in_a_row >= IN_A_ROW else ""

    def below(self, embeddings: NDArray[np.floating], projections: NDArray[np.floating]) -> list[str]:
        """The measures below their limit, with the numbers."""
        slides, projected = Shape.of(embeddings), Shape.of(projections)
        values = {
            "diversity of embeddings": slides.diversity,
            "rank of embeddings": slides.rank,
            "diversity of projections": projected.diversity,
            "std of projections": projected.std,
            "rank of projections": projected.rank,
        }
        limits = self.limits().items()
        return [f"{name} {values[name]:.3g} < {limit:.3g}" for name, limit in limits if values[name] < limit]
