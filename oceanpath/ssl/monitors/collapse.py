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
"""Evaluations below a limit after which training counts as collapsed."""


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
    """Compares the embeddings of each evaluation with those of the first one."""

    pooled: Shape
    """Of the mean pool of the same patches."""
    first: tuple[Shape, Shape] | None = None
    """Of slide embeddings and projections, before the first step."""
    in_a_row: int = 0

    def contents(self) -> dict[str, Any]:
        """Plain values."""
        first = None if self.first is None else [list(shape) for shape in self.first]
        return {"pooled": list(self.pooled), "first": first, "in_a_row": self.in_a_row}

    @classmethod
    def from_contents(cls, contents: Mapping[str, Any]) -> CollapseCheck:
        """The check that `contents` describes."""
        first = contents["first"]
        shapes = None if first is None else (Shape(*first[0]), Shape(*first[1]))
        return cls(Shape(*contents["pooled"]), shapes, contents["in_a_row"])

    def limits(self) -> dict[str, float]:
        """Name of a measure → the value below which it counts as collapsed."""
        assert self.first is not None, "nothing was evaluated"
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
        now = Shape.of(embeddings), Shape.of(projections)
        if self.first is None:
            self.first = now
        values = {
            "diversity of embeddings": now[0].diversity,
            "rank of embeddings": now[0].rank,
            "diversity of projections": now[1].diversity,
            "std of projections": now[1].std,
            "rank of projections": now[1].rank,
        }
        limits = self.limits().items()
        below = [f"{name} {values[name]:.3g} < {limit:.3g}" for name, limit in limits if values[name] < limit]
        self.in_a_row = self.in_a_row + 1 if below else 0
        return ", ".join(below) if self.in_a_row >= IN_A_ROW else ""
