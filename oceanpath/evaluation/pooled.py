"""Features of whole slides for baselines: pooled over the patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN

DECIMALS = 9
"""Baselines are rounded to this: the last bits of a fit depend on the number of threads of the linear algebra."""


@dataclass(frozen=True)
class PooledSlides:
    """Pooled features of slides."""

    slides: list[str]
    features: Mapping[str, NDArray[np.float32]]
    """Name of the feature (mean, maximum, length) → [S, D]."""

    def rows(self, slides: Sequence[str]) -> list[int]:
        """The rows of slides."""
        row_of = {name: i for i, name in enumerate(self.slides)}
        return [row_of[name] for name in slides]


def pool(store: Store, slides: list[str], advance: Callable[[], None]) -> PooledSlides:
    """Mean [S, D] and maximum [S, D] over the patches of each slide, and the log of their number [S, 1], float32.

    The number is that before capping. `advance` is called after every slide.
    """
    mean = np.empty((len(slides), store.dim), np.float32)
    largest, length = np.empty_like(mean), np.empty((len(slides), 1), np.float32)
    store.expect(store.number(name) for name in slides)
    for row, name in enumerate(slides):
        number = store.number(name)
        bag = store.features(number)
        mean[row] = bag.mean(axis=0, dtype=np.float64)  # float32 sums of 10,000 patches lose four digits
        largest[row] = bag.max(axis=0)
        length[row] = np.log(store.index.raw_lengths[number])
        advance()
    return PooledSlides(slides, {MEAN: mean, MAXIMUM: largest, LENGTH: length})
