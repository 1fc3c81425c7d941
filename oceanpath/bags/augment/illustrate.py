"""What each augmentation does to the patches of one bag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.augment.bag import Patches, SourceBag, View
from oceanpath.bags.augment.base import Augmentation, CoordTransform, Perturbation, Selection
from oceanpath.bags.augment.render import render
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import Augmentor, Limit, all_rows


class Effect(NamedTuple):
    """The effect of one augmentation, or of all together, on a bag of N patches."""

    name: str
    kept: NDArray[np.bool_]
    """[N]."""
    change: NDArray[np.float32]
    """[N], length of the difference of the features relative to the root mean square length of the bag's features."""
    coords: NDArray[np.int32]
    """[N, 2] after the augmentation; as before for patches that are not kept."""


class StoredBag(NamedTuple):
    """A bag with all that its views are computed from."""

    bag: SourceBag
    stored: Tensor
    """[N, D]."""
    neighbours: NDArray[np.int32]
    """[N, k]."""
    deviation: NDArray[np.float32]
    """[D]."""


def effects(whole: StoredBag, augmentor: Augmentor, limit: Limit = all_rows) -> Iterator[Effect]:
    """The effect of each augmentation that is on, applied alone, and then the views of the first epoch."""
    settings = augmentor.settings
    for name, augmentation in settings.named():
        if augmentation.probability > 0:
            view = _alone(whole.bag, name, augmentation, np.random.default_rng(augmentor.seed))
            yield _effect(name.replace("_", " "), whole, view, settings)
    for number, view in enumerate(augmentor.views(whole.bag, 0, limit), 1):
        yield _effect(f"view {number}, all together", whole, view, settings)


def _alone(bag: SourceBag, name: str, augmentation: Augmentation, random: Generator) -> View:
    rows, coords = np.arange(bag.length), bag.positions
    if isinstance(augmentation, Selection):
        rows = augmentation.select(bag, rows, random)
        return View(bag, rows, coords[rows])
    if isinstance(augmentation, Perturbation):
        return View(bag, rows, coords, {name: augmentation.draw(bag, rows, random)})
    assert isinstance(augmentation, CoordTransform), "the third kind of augmentation"
    return View(bag, rows, augmentation.transform(coords, bag.spacing, random))


def _effect(name: str, whole: StoredBag, view: View, settings: AugmentSettings) -> Effect:
    bag, rows = whole.bag, torch.from_numpy(view.rows)
    near = torch.from_numpy(whole.neighbours[view.rows].astype(np.int64))
    patches = Patches(whole.stored, rows, near, torch.zeros_like(rows), torch.from_numpy(whole.deviation))
    difference = render(settings.perturbations(), patches, [view]).float() - whole.stored[rows].float()
    scale = float(whole.stored.float().square().sum(dim=1).mean().sqrt()) or 1.0
    kept, change, coords = np.zeros(bag.length, np.bool_), np.zeros(bag.length, np.float32), bag.positions.copy()
    kept[view.rows], change[view.rows] = True, (difference.norm(dim=1) / scale).numpy()
    if view.coords is not None:
        coords[view.rows] = view.coords
    return Effect(name, kept, change, coords)
