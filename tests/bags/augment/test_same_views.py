"""The views of a seed are the same for ever: a change of one of them changes every pretrained model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.bags.augment.bag import Patches, SourceBag, View
from oceanpath.bags.augment.base import CoordTransform, Perturbation, Selection
from oceanpath.bags.augment.blocks import BlockAugmentor
from oceanpath.bags.augment.geometry import box_around, cells_of, inside, random_rows
from oceanpath.bags.augment.illustrate import StoredBag, effects
from oceanpath.bags.augment.noise_table import SIZE, noise_rows
from oceanpath.bags.augment.render import render
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import Augmentor, DualViewAugmentor, MultiCropAugmentor, crop_of
from oceanpath.bags.batching.multi_crop import MultiCrop
from oceanpath.bags.neighbours import nearest_rows

from ...reference import check
from .conftest import tissue

N, DIM = 260, 12
COORDS = tissue(N)
BAG = SourceBag("slide", N, DIM, COORDS, 256)
ROWS = np.arange(0, N, 3)
STORED = torch.sin(torch.arange(N * DIM, dtype=torch.float32) * 0.7).reshape(N, DIM)
NEAR = nearest_rows(COORDS)
SETTINGS = AugmentSettings.model_validate({"coord_jitter": {"probability": 0.5, "distance": 0.4}})


def test_they_are_the_same_for_ever() -> None:
    check("views", numbers(), near=1e-4)


def brief(array: np.ndarray | torch.Tensor | None) -> Any:
    """The shape, two sums and the first values of an array."""
    if array is None:
        return None
    values = np.asarray(array).astype(np.float64)
    flat = values.ravel()
    return [list(values.shape), float(flat.sum()), float((flat * np.arange(1, len(flat) + 1)).sum()), flat[:4]]


def of_view(view: View) -> list[Any]:
    return [
        brief(view.rows),
        brief(view.coords),
        {name: [brief(one) for one in own] for name, own in view.draws.items()},
    ]


def patches(rows: np.ndarray, views: np.ndarray) -> Patches:
    near = torch.from_numpy(NEAR[rows].astype(np.int64))
    return Patches(STORED, torch.from_numpy(rows), near, torch.from_numpy(views), torch.linspace(0.5, 1.5, DIM))


def applied(name: str, one: Any) -> list[Any]:
    random = np.random.default_rng(7)
    if isinstance(one, Selection):
        return [brief(one.select(BAG, ROWS, random)), brief(one.select(BAG, np.arange(N), random))]
    if isinstance(one, CoordTransform):
        return [brief(one.transform(COORDS[ROWS], 256, random)) for _ in range(3)]
    assert isinstance(one, Perturbation)
    draws = [one.draw(BAG, ROWS, random) for _ in range(2)]
    views = [View(BAG, ROWS, COORDS[ROWS], {name: own}) for own in draws]
    both = np.repeat([0, 1], len(ROWS))
    alone = render([(name, one)], patches(ROWS, both[: len(ROWS)]), views[:1])
    together = render([(name, one)], patches(np.r_[ROWS, ROWS], both), views)
    return [[brief(part) for part in draws[0]], brief(alone), brief(together)]


def augmentors() -> dict[str, Augmentor]:
    return {
        "two views": DualViewAugmentor(SETTINGS, 5, True),
        "three views without coordinates": DualViewAugmentor(SETTINGS, 5, False, 3),
        "crops": MultiCropAugmentor(SETTINGS, 5, True, 2, 2, MultiCrop(global_patches=90, local_patches=40)),
        "crops without coordinates": MultiCropAugmentor(SETTINGS, 5, False, 1, 1),
        "blocks": BlockAugmentor(SETTINGS, 5, True, 3),
        "blocks without coordinates": BlockAugmentor(SETTINGS, 5, False),
    }


def numbers() -> dict[str, Any]:
    """Name → numbers of a fixed bag."""
    whole = StoredBag(BAG, STORED, NEAR, np.linspace(0.5, 1.5, DIM).astype(np.float32))
    found: dict[str, Any] = {name: applied(name, one) for name, one in SETTINGS.named()}
    for name, augmentor in augmentors().items():
        bag = BAG if "without" not in name else SourceBag("slide", N, DIM)
        found[name] = [of_view(view) for view in augmentor.views(bag, 2)]
        found[f"rows, {name}"] = [augmentor.most_rows(n) for n in (1, 30, 260, 5000)]
    found["effects"] = [
        [one.name, int(one.kept.sum()), brief(one.change), brief(one.coords)]
        for one in effects(whole, DualViewAugmentor(SETTINGS, 3, True))
    ]
    views = torch.tensor([0, 0, 1])
    found["noise"] = [brief(noise_rows(torch.tensor([at, 0.25]), views, 5)) for at in (0.0, 0.5, 0.999999)]
    found["noise of one"] = [brief(noise_rows(torch.tensor([at]), views * 0, 5)) for at in (0.5, 0.9999995)]
    found["cells"] = [brief(cells_of(COORDS, grid)) for grid in (1, 4, 8)]
    found["boxes"] = [
        [brief(corner) for corner in box_around(COORDS, BAG.corners, np.array(size), np.random.default_rng(1))]
        for size in ([300.0, 900.0], [0.0, 0.5], [1e6, 1e6])
    ]
    found["sample"] = brief(random_rows(ROWS, 10, np.random.default_rng(1)))
    return found


def test_the_corners_of_a_bag_include_its_last_patches() -> None:
    low, high = SourceBag("s", 2, 1, np.array([[10, 40], [30, 20]], np.int32), 5).corners
    assert low.tolist() == [10, 20] and high.tolist() == [35, 45]
    assert SourceBag("s", 1, 1, np.array([[0, 0]], np.int32)).corners[1].tolist() == [1, 1]


def test_a_box_contains_its_first_corner_and_not_its_second() -> None:
    coords = np.array([[0, 5], [9, 5], [10, 5], [5, 0], [5, 9], [5, 10], [-1, 5], [5, -1]], np.int32)
    within = inside(coords, np.zeros(2), np.full(2, 10.0))
    assert within.tolist() == [True, True, False, True, True, False, False, False]


@pytest.mark.parametrize("count", [3, 4])
def test_a_sample_of_all_rows_draws_no_number(count: int) -> None:
    random, rows = np.random.default_rng(0), np.array([2, 5, 9])
    assert random_rows(rows, count, random) is rows
    assert random.random() == np.random.default_rng(0).random()


def test_a_crop_by_area_has_the_root_of_it_as_its_side() -> None:
    assert crop_of((0.25, 0.64), True).model_dump()["extent"] == (0.5, 0.8)
    assert crop_of((0.25, 0.64), False).model_dump()["fraction"] == (0.25, 0.64)


def test_effects_of_single_augmentations_leave_the_rest_as_it_was() -> None:
    whole = StoredBag(BAG, STORED, NEAR, np.ones(DIM, np.float32))
    found = {one.name: one for one in effects(whole, DualViewAugmentor(SETTINGS, 0, True))}
    for name, one in SETTINGS.named():
        effect = found[name.replace("_", " ")]
        assert (not effect.kept.all()) == isinstance(one, Selection), name
        assert bool((effect.change > 0).any()) == isinstance(one, Perturbation), name
        assert (not np.array_equal(effect.coords, COORDS)) == isinstance(one, CoordTransform), name
        assert (effect.change[~effect.kept] == 0).all()
    assert list(found)[-2:] == ["view 1, all together", "view 2, all together"]
    names = [one.name for one in effects(whole, DualViewAugmentor(AugmentSettings.off(), 0, True))]
    assert names == ["view 1, all together", "view 2, all together"]


def test_the_table_of_noise_is_longer_than_a_view() -> None:
    assert SIZE > 100_000 * 16
