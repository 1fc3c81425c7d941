"""Caps on the number of patches: the only module that leaves patches out of a bag."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray


class Cap(NamedTuple):
    """A rule that selects rows of long bags, for the store and for predictions on new slides."""

    max_patches: int
    strategy: str
    """``spatial_stratified`` or ``random``."""
    grid: int
    seed: int

    def rows(self, length: int, coords: NDArray[np.int32] | None, slide_id: str) -> NDArray[np.int64] | None:
        """The sorted selected rows; None for all. Without `coords` [length, 2] they are a random sample."""
        if length <= self.max_patches:
            return None
        if coords is None or self.strategy == "random":
            return sample_rows(length, self.max_patches, self.seed, 0, slide_id)
        return stratified_rows(coords, self.max_patches, self.grid, self.seed, slide_id)

    def golden_rows(self) -> list[int]:
        """Five of 24 rows of a fixed bag: if another version of numpy selects others, its caps differ too."""
        cell = np.arange(24)
        coords = np.stack([cell % 6, cell // 6], axis=1).astype(np.int32)
        rows = self._replace(max_patches=5).rows(24, coords, "golden")
        return [] if rows is None else rows.tolist()


def sample_rows(length: int, keep: int, seed: int, epoch: int, slide_id: str, view: int = 0) -> NDArray[np.int64]:
    """A random sample of `keep` of the `length` rows of a slide: uniform, without replacement, sorted.

    It depends on (seed, epoch, slide, view) alone, not on the slide's position in a batch or a cohort. A bag of at most
    `keep` patches keeps all.

    Raises: ValueError: `keep` < 1.
    """
    if keep < 1:
        raise ValueError(f"a bag keeps at least one patch, not {keep}")
    if keep >= length:
        return np.arange(length)
    seeds = [seed, epoch, xxhash.xxh3_64_intdigest(slide_id.encode()), *([view] if view else [])]
    random = np.random.default_rng(seeds)
    rows: NDArray[np.int64] = np.sort(random.choice(length, size=keep, replace=False, shuffle=False))
    return rows


def stratified_rows(coords: NDArray[np.int32], keep: int, grid: int, seed: int, slide_id: str) -> NDArray[np.int64]:
    """A sorted sample of `keep` rows of a slide that preserves its outline and its dense regions.

    The bounding box of `coords` [N, 2] is divided into `grid` × `grid` cells. Cells get rows in proportion to the
    square root of their patch counts, at least one per occupied cell if `keep` allows, at most their count. Exactly
    min(keep, N) rows are returned; they depend on (seed, slide) alone.

    Raises: ValueError: `keep` < 1.
    """
    if keep < 1:
        raise ValueError(f"a bag keeps at least one patch, not {keep}")
    if keep >= len(coords):
        return np.arange(len(coords))
    random = np.random.default_rng([seed, xxhash.xxh3_64_intdigest(slide_id.encode())])
    low = coords.min(axis=0).astype(np.int64)
    extent = np.maximum(coords.max(axis=0).astype(np.int64) - low + 1, 1)
    x, y = ((coords.astype(np.int64) - low) * grid // extent).T
    _, cell, counts = np.unique(y * grid + x, return_inverse=True, return_counts=True)
    slots = _slots(counts, keep, random)
    order = np.lexsort((random.random(len(coords)), cell))  # rows by cell, shuffled within each
    rank = np.arange(len(coords)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows: NDArray[np.int64] = np.sort(order[rank < slots[cell[order]]])
    return rows


def _slots(counts: NDArray[np.int64], keep: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows per cell: 1 ≤ rows ≤ count and sum = `keep`, as close to λ√count as possible."""
    if len(counts) >= keep:
        slots = np.zeros(len(counts), np.int64)
        slots[random.permutation(len(counts))[:keep]] = 1
        return slots
    root = np.sqrt(counts)
    low, high = 0.0, float(keep)
    for _ in range(60):  # bisection on λ: the sum increases with it
        middle = (low + high) / 2
        too_many = np.clip(np.floor(middle * root), 1, counts).sum() > keep
        low, high = (low, middle) if too_many else (middle, high)
    slots = np.clip(np.floor(low * root), 1, counts).astype(np.int64)
    fraction = np.where(slots < counts, low * root - np.floor(low * root), -1.0)
    slots[np.argsort(-fraction, kind="stable")[: keep - int(slots.sum())]] += 1
    return slots
