"""Views of one bag: selection, perturbation and coordinates by random numbers of (seed, epoch, slide, view) alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xxhash
from numpy.random import Generator
from numpy.typing import NDArray

from oceanpath.bags.augment.bag import SourceBag, View
from oceanpath.bags.augment.base import CoordTransform, Perturbation, Selection
from oceanpath.bags.augment.geometry import random_rows
from oceanpath.bags.augment.random_subsampling import RandomSubsampling
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.spatial_crop import SpatialCrop
from oceanpath.bags.batching.multi_crop import MultiCrop

Limit = Callable[[SourceBag, NDArray[np.int64], Generator], NDArray[np.int64]]
"""The last selection of every view: that of the batching strategy."""


def all_rows(bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> NDArray[np.int64]:  # noqa: ARG001  # a `Limit`
    """A limit that keeps every row."""
    return rows


class Steps(NamedTuple):
    """What is applied, in order."""

    selections: list[Selection]
    perturbations: list[tuple[str, Perturbation]]
    transforms: list[CoordTransform]

    @classmethod
    def of(cls, settings: AugmentSettings) -> Steps:
        """The augmentations that are on."""
        return cls(settings.selections(), settings.perturbations(), settings.transforms())


class Augmentor(ABC):
    """Makes the views of bags."""

    def __init__(
        self, settings: AugmentSettings, seed: int, has_coords: bool, count: int, *, is_disjoint: bool = False
    ) -> None:
        """The augmentations `left_out` are not applied to a store without coordinates.

        Args:
            settings: Augmentations.
            seed: Of all random numbers.
            has_coords: Whether the store has coordinates.
            count: Number of views per bag.
            is_disjoint: Whether the views of a bag have no patch in common.
        """
        self.left_out = settings.left_out(has_coords)
        self.settings, self.seed, self.count = settings.active(has_coords), seed, count
        self.is_disjoint = is_disjoint
        self.steps = Steps.of(self.settings)

    @abstractmethod
    def views(self, bag: SourceBag, epoch: int, limit: Limit = all_rows) -> tuple[View, ...]:
        """The views of a bag in an epoch."""

    def most_rows(self, length: int) -> int:
        """Maximum number of rows of all views together of a bag that `limit` reduces to `length` rows per view."""
        return self.count * length

    def parts(self, bag: SourceBag, epoch: int) -> list[NDArray[np.int64]]:
        """The sorted rows from which each view selects: all, or with `is_disjoint` a random share of its own.

        A bag with fewer patches than views is not divided.
        """
        rows = np.arange(bag.length)
        if not self.is_disjoint or bag.length < self.count:
            return [rows] * self.count
        order = self.random(bag, epoch, self.count).permutation(rows)
        return [np.sort(part) for part in np.array_split(order, self.count)]

    def random(self, bag: SourceBag, epoch: int, view: int) -> Generator:
        """The random numbers of one view."""
        return np.random.default_rng([self.seed, epoch, xxhash.xxh3_64_intdigest(bag.slide_id.encode()), view])


class DualViewAugmentor(Augmentor):
    """Independent views of the whole bag, two unless `count` is given."""

    def __init__(
        self, settings: AugmentSettings, seed: int, has_coords: bool, count: int = 2, *, is_disjoint: bool = False
    ) -> None:
        super().__init__(settings, seed, has_coords, count, is_disjoint=is_disjoint)

    def views(self, bag: SourceBag, epoch: int, limit: Limit = all_rows) -> tuple[View, ...]:
        """See `Augmentor.views`."""
        parts = enumerate(self.parts(bag, epoch))
        return tuple(self._view(bag, rows, self.random(bag, epoch, number), limit) for number, rows in parts)

    def _view(self, bag: SourceBag, rows: NDArray[np.int64], random: Generator, limit: Limit) -> View:
        rows = limit(bag, select(self.steps, bag, rows, random), random)
        return finish(self.steps, bag, rows, random)


class MultiCropAugmentor(Augmentor):
    """Global views of large rectangles, then local views of small ones; without coordinates, random samples."""

    def __init__(
        self,
        settings: AugmentSettings,
        seed: int,
        has_coords: bool,
        global_views: int = 2,
        local_views: int = 6,
        crops: MultiCrop = MultiCrop(),  # noqa: B008  # settings never change
        *,
        is_disjoint: bool = False,
    ) -> None:
        super().__init__(settings, seed, has_coords, global_views + local_views, is_disjoint=is_disjoint)
        self.global_views, self.crops, self.has_coords = global_views, crops, has_coords
        noise = self.settings.gaussian_noise
        louder = noise.model_copy(update={"share": noise.share * crops.local_noise})
        self.local_steps = Steps.of(self.settings.model_copy(update={"gaussian_noise": louder}))

    def views(self, bag: SourceBag, epoch: int, limit: Limit = all_rows) -> tuple[View, ...]:
        """See `Augmentor.views`."""
        parts = enumerate(self.parts(bag, epoch))
        return tuple(self._view(bag, rows, number, self.random(bag, epoch, number), limit) for number, rows in parts)

    def most_rows(self, length: int) -> int:
        """See `Augmentor.most_rows`."""
        local = (self.count - self.global_views) * min(length, self.crops.local_patches)
        return self.global_views * min(length, self.crops.global_patches) + local

    def _view(self, bag: SourceBag, rows: NDArray[np.int64], number: int, random: Generator, limit: Limit) -> View:
        is_global = number < self.global_views
        area = self.crops.global_area if is_global else self.crops.local_area
        rows = crop_of(area, self.has_coords).select(bag, rows, random)
        steps = self.steps if is_global else self.local_steps
        rows = limit(bag, select(steps, bag, rows, random, crop=False), random)
        most = self.crops.global_patches if is_global else self.crops.local_patches
        return finish(steps, bag, random_rows(rows, most, random), random)


def crop_of(area: tuple[float, float], has_coords: bool) -> Selection:
    """A rectangle of a share of the area of the tissue, or a random sample of as many patches."""
    if not has_coords:
        return RandomSubsampling(fraction=area)
    return SpatialCrop(extent=(area[0] ** 0.5, area[1] ** 0.5))


def select(
    steps: Steps, bag: SourceBag, rows: NDArray[np.int64], random: Generator, crop: bool = True
) -> NDArray[np.int64]:
    """The rows that the selections leave; of the crops, only the first that is drawn, or none."""
    for selection in steps.selections:
        if selection.is_crop and not crop:
            continue
        if random.random() < selection.probability:
            rows = selection.select(bag, rows, random)
            crop = crop and not selection.is_crop
    return rows


def finish(steps: Steps, bag: SourceBag, rows: NDArray[np.int64], random: Generator) -> View:
    """A view of the selected rows, with the random numbers of its perturbations and its new coordinates."""
    draws: dict[str, tuple[NDArray[Any], ...]] = {}
    for name, perturbation in steps.perturbations:
        drawn = perturbation.draw(bag, rows, random)
        applies = random.random() < perturbation.probability
        draws[name] = drawn if applies else tuple(np.zeros_like(array) for array in drawn)
    coords = None if bag.coords is None else bag.positions_of(rows)
    for transform in steps.transforms:
        if coords is not None and random.random() < transform.probability:
            coords = transform.transform(coords, bag.spacing, random)
    return View(bag, rows, coords, draws)
