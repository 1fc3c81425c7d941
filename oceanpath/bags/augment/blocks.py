"""Context and target blocks of a bag, for joint-embedding prediction."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from oceanpath.bags.augment.bag import SourceBag, View
from oceanpath.bags.augment.geometry import box_around, inside, random_rows
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
        context = _block(bag, rows, _extent(self.blocks.context_area, (1.0, 1.0), random), random)
        hidden = np.unique(np.concatenate(targets))
        for candidate in (context, rows):
            if len(context := np.setdiff1d(candidate, hidden, assume_unique=True)):
                break
        views = [finish(self.steps, bag, context if len(context) else rows, random)]
        coords = bag.coords
        return (*views, *(View(bag, part, None if coords is None else coords[part]) for part in targets))

    def _target(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:
        return _block(bag, rows, _extent(self.blocks.target_area, self.blocks.aspect, random), random)


def _extent(area: tuple[float, float], aspect: tuple[float, float], random: Generator) -> NDArray[np.float64]:
    """Width and height of a block as fractions of those of the tissue."""
    size, ratio = random.uniform(*area), random.uniform(*aspect)
    return np.minimum(np.sqrt([size * ratio, size / ratio]), 1.0)


def _block(
    bag: SourceBag, rows: NDArray[np.int64], extent: NDArray[np.float64], random: Generator
) -> NDArray[np.int64]:
    """The `rows` in a rectangle of `extent` around one of them; a random sample of as large a share without coords."""
    if bag.coords is None:
        return random_rows(rows, max(round(len(rows) * float(extent.prod())), 1), random)
    coords, (low, high) = bag.coords[rows], bag.corners
    return rows[inside(coords, *box_around(coords, (low, high), (high - low) * extent, random))]
