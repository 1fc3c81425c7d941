"""Nearest neighbours of the patches of a slide, by their coordinates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

K = 8
"""Neighbours per patch: 32 bytes."""
REACH = 2
OFFSETS = sorted(
    ((x, y) for x in range(-REACH, REACH + 1) for y in range(-REACH, REACH + 1) if (x, y) != (0, 0)),
    key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset),
)
"""Cells around a patch, nearest first: none outside is nearer than any of them."""
SPARSE = 64
"""Cells per patch above which an occupancy map is not worth its memory."""


def nearest_rows(coords: NDArray[np.int32], k: int = K) -> NDArray[np.int32]:
    """Rows of the `k` nearest other patches, [n, k], nearest first, by Euclidean distance.

    Patches on a regular grid are looked up in a map of occupied cells; the others are searched in a k-d tree. With
    fewer than `k` other patches, the remaining entries are the patch itself.
    """
    n = len(coords)
    known = min(k, n - 1)
    nearest = np.repeat(np.arange(n, dtype=np.int32)[:, None], k, axis=1)
    if known:
        looked_up, complete = _by_grid(coords, known)
        nearest[complete, :known] = looked_up[complete]
        left = np.flatnonzero(~complete)
        if len(left):
            nearest[left, :known] = _by_tree(coords, left, known)
    return nearest


def _by_grid(coords: NDArray[np.int32], k: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Neighbours within `REACH` cells, and whether a patch has `k` of them."""
    shifted = coords.astype(np.int64) - coords.min(axis=0)
    step = max(int(np.gcd.reduce(shifted, axis=None)), 1)
    cells = shifted // step + REACH
    shape = cells.max(axis=0) + REACH + 1
    if k > len(OFFSETS) or int(shape.prod()) > SPARSE * len(coords) + 4096:
        return np.zeros((len(coords), k), np.int32), np.zeros(len(coords), np.bool_)
    occupied = np.full(int(shape.prod()), -1, np.int32)
    numbers = cells[:, 0] * shape[1] + cells[:, 1]
    occupied[numbers] = np.arange(len(coords), dtype=np.int32)
    if (occupied >= 0).sum() < len(coords):  # two patches with the same coordinates
        return np.zeros((len(coords), k), np.int32), np.zeros(len(coords), np.bool_)
    steps = np.array([x * shape[1] + y for x, y in OFFSETS])
    candidates = occupied[numbers[:, None] + steps]
    is_patch = candidates >= 0
    ranks = is_patch.cumsum(axis=1)
    complete = ranks[:, -1] >= k
    found = np.zeros((len(coords), k), np.int32)
    used = is_patch & (ranks <= k) & complete[:, None]
    found[complete] = candidates[used].reshape(-1, k)
    return found, complete


def _by_tree(coords: NDArray[np.int32], rows: NDArray[np.int64], k: int) -> NDArray[np.int32]:
    from scipy.spatial import cKDTree  # loading it takes longer than all grids of a small store

    _, nearest = cKDTree(coords).query(coords[rows], k + 1)
    others = nearest != rows[:, None]
    others[others.all(axis=1), -1] = False  # the patch itself is not among more than k with its coordinates
    found: NDArray[np.int32] = nearest[others].reshape(-1, k).astype(np.int32)
    return found
