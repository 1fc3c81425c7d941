"""Mean and standard deviation of each feature over a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.store.bfloat16 import as_numbers
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.cap import sample_rows

SLIDES, ROWS = 512, 64
"""Maximum number of slides, and of patches per slide, that are read."""


def feature_deviation(store: Store, numbers: Sequence[int], seed: int = 0) -> NDArray[np.float32]:
    """Standard deviation [D] of each feature over a random sample of patches of the slides `numbers`."""
    return feature_moments(store, numbers, seed)[1]


def feature_moments(
    store: Store, numbers: Sequence[int], seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation [D] of each feature over the same sample."""
    random = np.random.default_rng(seed)
    chosen = [numbers[k] for k in np.sort(random.permutation(len(numbers))[:SLIDES])]
    parts = [_sample(store, number, seed) for number in chosen]
    values = np.concatenate(parts)
    mean: NDArray[np.float32] = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation: NDArray[np.float32] = values.std(axis=0, dtype=np.float64).astype(np.float32)
    return mean, deviation


def _sample(store: Store, number: int, seed: int) -> NDArray[np.float32]:
    rows = sample_rows(store.length(number), ROWS, seed, 0, store.slide_id(number))
    return as_numbers(store.stored(number)[rows], store.index.feature_dtype).astype(np.float32)
