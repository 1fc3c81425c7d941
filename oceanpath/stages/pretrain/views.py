"""Views of bags: random subsets of their patches, and spatial blocks.

Rows depend on (seed, epoch, slide, view) alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.dataset import Bag, collate
from oceanpath.ssl.methods.base import ViewRequest

GLOBAL_SHARE, LOCAL_SHARE = 0.5, 0.2
"""Share of a slide's patches in a view, at most the caps."""
BLOCK_AREA = (0.15, 0.25)
"""Share of the slide's bounding box in a block."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ViewSampler:
    """Draws the views that a method requests."""

    store: Store
    request: ViewRequest
    seed: int
    global_patches: int | None
    local_patches: int

    def batch(self, numbers: Sequence[int], epoch: int, labels: Sequence[int] | None = None) -> tuple[Batch, ...]:
        """One `Batch` per view, all of the slides `numbers` in this order."""
        rows = [self.rows(number, epoch) for number in numbers]
        bags = [(self.store.features(n), self.store.coords(n), self.store.slide_id(n)) for n in numbers]
        targets = None if labels is None else torch.tensor(labels)
        batches = []
        for view in range(self.request.global_views + self.request.local_views):
            parts = zip(bags, rows, strict=True)
            cut = [Bag(f[r[view]], None if c is None else c[r[view]], None, name) for (f, c, name), r in parts]
            batches.append(replace(collate(cut), labels=targets))
        return tuple(batches)

    def rows(self, number: int, epoch: int) -> list[Rows]:
        """Sorted rows of each view of a slide; none is empty."""
        count, name = self.store.length(number), xxhash.xxh3_64_intdigest(self.store.slide_id(number).encode())
        views = range(self.request.global_views + self.request.local_views)
        random = [np.random.default_rng([self.seed, epoch, name, view]) for view in views]
        if self.request.is_blocks:
            return self._blocks(count, self.store.coords(number), random)
        return [
            _subset(np.arange(count), GLOBAL_SHARE, self.global_patches, random[view])
            if view < self.request.global_views
            else _subset(np.arange(count), LOCAL_SHARE, self.local_patches, random[view])
            for view in views
        ]

    def _blocks(self, count: int, coords: NDArray[np.int32] | None, random: list[np.random.Generator]) -> list[Rows]:
        """The context, which lacks the blocks unless they cover the slide, and the blocks."""
        blocks = [_block(count, coords, generator) for generator in random[1:]]
        rest = np.setdiff1d(np.arange(count), np.concatenate(blocks))
        context = _subset(rest if len(rest) else np.arange(count), 1.0, self.global_patches, random[0])
        return [context, *(_subset(block, 1.0, self.local_patches, random[0]) for block in blocks)]


def _subset(rows: Rows, share: float, limit: int | None, random: np.random.Generator) -> Rows:
    keep = max(1, round(len(rows) * share))
    keep = keep if limit is None else min(keep, limit)
    chosen: Rows = np.sort(random.choice(rows, size=keep, replace=False, shuffle=False))
    return chosen


def _block(count: int, coords: NDArray[np.int32] | None, random: np.random.Generator) -> Rows:
    """Rows in a square around a random patch; without coordinates a random set of the same share."""
    share = random.uniform(*BLOCK_AREA)
    centre = random.integers(count)
    if coords is None:
        return _subset(np.arange(count), share, None, random)
    places = coords.astype(np.float64)
    extent = places.max(axis=0) - places.min(axis=0)
    inside = (np.abs(places - places[centre]) <= np.sqrt(share) * extent / 2).all(axis=1)
    return np.flatnonzero(inside)
