"""Context and target blocks of a bag, for joint-embedding prediction."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from oceanpath.bags.augment.bag import SourceBag, View
from oceanpath.bags.augment.geometry import random_rows, rows_at
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import Augmentor, Limit, Steps, all_rows, finish, select
from oceanpath.bags.batching.jepa import Jepa


class BlockAugmentor(Augmentor):
    """A context and several targets: rectangles of the slide, or random samples where there are no coordinates.

    After Assran et al. (2023): the context contains no patch of a target. Where the targets cover the whole bag, as in
    a bag of one patch, the context is the whole bag. Only the features of the context are perturbed, and coordinates
    stay as they are: they are the positions of the blocks on the slide.
    """

    def __init__(
        self,
        settings: AugmentSettings,
        seed: int,
        has_coords: bool,
        targets: int = 4,
        blocks: Jepa = Jepa(),  # noqa: B008  # settings never change
    ) -> None:
        super().__init__(settings, seed, has_coords, 1 + targets)
        self.blocks, self.targets = blocks, targets
        moving = [name for name, one in self.settings.named() if one.category == "coordinates" and one.probability]
        off = {name: getattr(self.settings, name).model_copy(update={"probability": 0.0}) for name in moving}
        self.left_out += moving
        self.settings = self.settings.model_copy(update=off)
        self.steps = Steps.of(self.settings)

    def views(self, bag: SourceBag, epoch: int, limit: Limit = all_rows) -> tuple[View, ...]:
        """The context, then the targets."""
        random = self.random(bag, epoch, 0)
        rows = limit(bag, select(self.steps, bag, np.arange(bag.length), random), random)
        targets = [self._target(bag, rows, self.random(bag, epoch, 1 + k)) for k in range(self.targets)]
        context = _block(bag, rows, random.uniform(*self.blocks.context_share), 1.0, random)
        hidden = np.unique(np.concatenate(targets))
        visible = [np.setdiff1d(part, hidden, assume_unique=True) for part in (context, rows)]
        context = next((part for part in visible if len(part)), rows)
        coords = bag.coords
        blocks = (View(bag, part, None if coords is None else coords[part]) for part in targets)
        return (finish(self.steps, bag, context, random), *blocks)

    def most_rows(self, length: int) -> int:
        """See `Augmentor.most_rows`."""
        return length + self.targets * _count(self.blocks.target_share[1], length)

    def _target(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        share, aspect = random.uniform(*self.blocks.target_share), random.uniform(*self.blocks.aspect)
        return _block(bag, rows, share, aspect, random)


def _block(
    bag: SourceBag, rows: NDArray[np.int64], share: float, aspect: float, random: Generator
) -> NDArray[np.int64]:
    """A share of the `rows`: those in a rectangle around one of them, or a random sample without coordinates."""
    count = _count(share, len(rows))
    if bag.coords is None or count == len(rows):
        return random_rows(rows, count, random)
    coords, low, high = bag.positions_of(rows), *bag.corners
    distance = np.abs(coords - coords[random.integers(len(rows))]) / ((high - low) * [aspect, 1.0])
    nearest = np.argsort(distance.max(axis=1), kind="stable")  # on a grid many distances are equal
    return rows_at(rows, nearest[:count])


def _count(share: float, length: int) -> int:
    return min(max(round(share * length), 1), length)
