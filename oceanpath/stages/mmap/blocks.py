"""Blocks of features for the store: selected, converted, and checked while they are in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.files import OpenBag, all_finite, not_finite
from oceanpath.artifacts.store.bfloat16 import all_finite_bits, as_stored
from oceanpath.errors import ArtifactError


def stored_blocks(bag: OpenBag, rows: NDArray[np.int64] | None, dtype: str) -> Iterator[NDArray[Any]]:
    """Blocks [m, D] of the sorted `rows` of a bag (None: all), as stored in type `dtype`.

    A block may be overwritten by the next.

    Raises: ArtifactError: the file is damaged, contains NaN or inf in any row, or a value overflows `dtype`.
    """
    start, bad, unfit = 0, [], 0
    for block in bag.blocks():
        stored, fits = _narrowed(_within(block, rows, start), dtype)
        # values that are finite after conversion were finite before
        if not fits or (rows is not None and not all_finite(block)):
            wrong = np.flatnonzero(~np.isfinite(block).all(axis=1))
            bad.append(wrong + start)
            unfit += not len(wrong)
        start += len(block)
        if not bad:  # after the first invalid value, invalid values are only counted
            yield stored
    if any(len(wrong) for wrong in bad):
        raise not_finite(bag.file.path, np.concatenate(bad), bag.file.n)
    if unfit:
        do = 'Set mmap.dtype = "float32".'
        raise ArtifactError("features overflow the dtype of the store", where=bag.file.path, got=dtype, do=do)


def _narrowed(values: NDArray[np.floating], dtype: str) -> tuple[NDArray[Any], bool]:
    """Values as type `dtype`, and whether all of them are finite after conversion."""
    stored = as_stored(values, dtype)  # an overflow is inf, which the caller rejects
    if dtype != "bfloat16":
        return stored, all_finite(stored)
    return stored, all_finite_bits(stored) and all_finite(values)


def _within(block: NDArray[np.floating], rows: NDArray[np.int64] | None, start: int) -> NDArray[np.floating]:
    """The rows of a block, which starts at row `start`, that are among the sorted `rows`."""
    if rows is None:
        return block
    first, last = np.searchsorted(rows, [start, start + len(block)])
    return block[rows[first:last] - start]
