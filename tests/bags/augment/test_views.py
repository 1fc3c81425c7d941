"""Views depend on (seed, epoch, slide, view) alone; a store without coordinates leaves out what needs them."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.bags.augment.bag import View
from oceanpath.bags.augment.base import CoordTransform, Perturbation, Selection
from oceanpath.bags.augment.blocks import BlockAugmentor
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import DualViewAugmentor, MultiCropAugmentor
from oceanpath.bags.batching.multi_crop import MultiCrop

AUGMENTORS = [DualViewAugmentor, MultiCropAugmentor, BlockAugmentor]
OFF = {name: {"probability": 0.0} for name in AugmentSettings.model_fields}


def content(view: View) -> tuple[object, ...]:
    draws = [array.tobytes() for name in sorted(view.draws) for array in view.draws[name]]
    return view.rows.tobytes(), None if view.coords is None else view.coords.tobytes(), *draws


def positions(view: View) -> np.ndarray:
    assert view.coords is not None
    return view.coords


@pytest.mark.parametrize("augmentor", AUGMENTORS)
@pytest.mark.parametrize("coords", [True, False])
def test_views_depend_on_seed_epoch_slide_and_view_alone(augmentor, coords: bool, bag_of) -> None:
    make = augmentor(AugmentSettings(), 7, coords)
    first = make.views(bag_of(500, coords), 3)
    make.views(bag_of(40, coords, "other"), 3)
    np.random.seed(1)
    assert [content(view) for view in make.views(bag_of(500, coords), 3)] == [content(view) for view in first]
    others = [augmentor(AugmentSettings(), 8, coords).views(bag_of(500, coords), 3)]
    others += [make.views(bag_of(500, coords), 4), make.views(bag_of(500, coords, "other"), 3)]
    seen = {content(view) for views in (first, *others) for view in views}
    assert len(seen) == 4 * len(first)


@pytest.mark.parametrize("augmentor", AUGMENTORS)
@pytest.mark.parametrize("n", [1, 2, 3, 17, 600])
def test_views_of_any_bag_are_parts_of_it_and_never_empty(augmentor, n: int, bag_of) -> None:
    for coords in (True, False):
        make = augmentor(AugmentSettings(), 0, coords)
        for epoch in range(12):
            views = make.views(bag_of(n, coords), epoch)
            assert len(views) == make.count
            assert sum(len(view.rows) for view in views) <= make.most_rows(n)
            for view in views:
                assert len(view.rows)
                assert np.array_equal(view.rows, np.unique(view.rows))
                assert 0 <= view.rows[0] <= view.rows[-1] < n
                assert (view.coords is not None) == coords
                if coords:
                    assert positions(view).shape == (len(view.rows), 2)
                    assert positions(view).min() >= 0


@pytest.mark.parametrize("augmentor", [DualViewAugmentor, MultiCropAugmentor])
def test_disjoint_views_have_no_patch_in_common(augmentor, bag_of) -> None:
    for coords in (True, False):
        make = augmentor(AugmentSettings(), 0, coords, is_disjoint=True)
        for epoch in range(5):
            rows = np.concatenate([view.rows for view in make.views(bag_of(90, coords), epoch)])
            assert len(rows) == len(np.unique(rows)) <= 90
        parts = make.parts(bag_of(90, coords), 0)
        assert len(parts) == make.count and np.array_equal(np.sort(np.concatenate(parts)), np.arange(90))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert not np.array_equal(parts[0], make.parts(bag_of(90, coords), 1)[0])
        assert [len(view.rows) for view in make.views(bag_of(1, coords), 0)] == [1] * make.count


def test_without_coordinates_what_needs_them_is_left_out_and_named(bag_of) -> None:
    settings = AugmentSettings()
    make = DualViewAugmentor(settings, 0, has_coords=False)
    needing = [name for name, one in settings.named() if one.needs_coords and one.probability]
    assert make.left_out == needing
    assert "spatial_crop" in needing
    assert "coord_jitter" not in needing
    assert set(make.views(bag_of(50, coords=False), 0)[0].draws) == {"gaussian_noise", "feature_dropout"}
    assert DualViewAugmentor(settings, 0, has_coords=True).left_out == []


def test_every_augmentation_has_a_category_and_the_order_is_select_perturb_move() -> None:
    order = [Selection, Perturbation, CoordTransform]
    kinds = [next(k for k, kind in enumerate(order) if isinstance(one, kind)) for _, one in AugmentSettings().named()]
    assert kinds == sorted(kinds)
    categories = [one.category for _, one in AugmentSettings().named()]
    assert categories == sorted(categories, key=["selection", "neighbourhood", "features", "coordinates"].index)


def test_at_most_one_crop_is_applied(bag_of) -> None:
    density = {"density_subsampling": {"probability": 1.0, "fraction": (0.5, 0.5)}}
    for others in ({}, {"spatial_crop": {"probability": 1.0}, "random_subsampling": {}}):
        settings = AugmentSettings(**OFF | density | others)
        assert len(DualViewAugmentor(settings, 0, True).views(bag_of(600), 0)[0].rows) == 300


def test_with_all_switched_off_a_view_is_the_bag(bag_of) -> None:
    bag = bag_of(70)
    for view in DualViewAugmentor(AugmentSettings(**OFF), 0, True).views(bag, 0):
        assert np.array_equal(view.rows, np.arange(70))
        assert np.array_equal(positions(view), bag.positions)
        assert view.draws == {}


def test_local_crops_are_smaller_and_noisier(bag_of) -> None:
    crops = MultiCrop(global_patches=400, local_patches=90, local_noise=2.0)
    make = MultiCropAugmentor(AugmentSettings(), 0, True, 2, 5, crops)
    views = make.views(bag_of(3000), 1)
    assert [len(view.rows) for view in views[:2]] == [400, 400]
    assert all(len(view.rows) <= 90 for view in views[2:])
    sizes = [float(view.draws["gaussian_noise"][1][0]) for view in views]
    assert sizes == pytest.approx([0.02] * 2 + [0.04] * 5)


@pytest.mark.parametrize("coords", [True, False])
def test_the_context_has_no_patch_of_a_target_and_targets_are_unchanged(coords: bool, bag_of) -> None:
    bag, make = bag_of(900, coords), BlockAugmentor(AugmentSettings(), 0, coords, targets=4)
    areas = []
    for epoch in range(20):
        context, *targets = make.views(bag, epoch)
        hidden = np.concatenate([target.rows for target in targets])
        assert not np.isin(context.rows, hidden).any()
        assert all(target.draws == {} for target in targets)
        for view in (context, *targets) if coords else ():
            assert np.array_equal(positions(view), bag.positions[view.rows])
        areas += [len(target.rows) / 900 for target in targets]
    assert 0.05 < np.mean(areas) < 0.2


def test_targets_are_rectangles_with_an_exact_share_of_the_patches(bag_of) -> None:
    bag = bag_of(900)
    for epoch in range(10):
        for target in BlockAugmentor(AugmentSettings.off(), 0, True).views(bag, epoch)[1:]:
            assert 135 <= len(target.rows) <= 180
            low, high = positions(target).min(axis=0), positions(target).max(axis=0)
            inner = ((bag.positions > low) & (bag.positions < high)).all(axis=1)
            assert np.isin(np.flatnonzero(inner), target.rows).all()


def test_a_bag_of_one_patch_is_context_and_target(bag_of) -> None:
    for coords in (True, False):
        views = BlockAugmentor(AugmentSettings(), 0, coords).views(bag_of(1, coords), 0)
        assert [view.rows.tolist() for view in views] == [[0]] * 5


def test_blocks_name_the_transforms_of_coordinates_as_left_out() -> None:
    assert BlockAugmentor(AugmentSettings(), 0, True).left_out == ["coord_affine", "spatial_grid_shuffle"]
