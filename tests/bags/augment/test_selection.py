"""Selections: sorted parts of the rows, never empty, with the stated shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.augment.base import Selection
from oceanpath.bags.augment.density_subsampling import DensitySubsampling
from oceanpath.bags.augment.geometry import cells_of, random_rows
from oceanpath.bags.augment.instance_dropout import InstanceDropout
from oceanpath.bags.augment.random_subsampling import RandomSubsampling
from oceanpath.bags.augment.region_drop import RegionDrop
from oceanpath.bags.augment.spatial_crop import SpatialCrop

COORDS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=120)
SELECTIONS = st.sampled_from(
    [
        SpatialCrop(),
        SpatialCrop(least=1, extent=(0.01, 0.01)),
        DensitySubsampling(),
        RandomSubsampling(),
        RegionDrop(),
        RegionDrop(extent=(0.9, 1.0), least=0.01),
        InstanceDropout(),
        InstanceDropout(rate=0.99),
    ]
)


@given(COORDS, SELECTIONS, st.integers(0, 2**40), st.data())
def test_a_selection_is_a_sorted_part_of_the_rows_and_never_empty(
    cells: list[tuple[int, int]], selection: Selection, seed: int, data: st.DataObject
) -> None:
    bag = SourceBag("s", len(cells), 4, np.array(cells, np.int32) * 256, 256)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(cells) - 1), min_size=1))))
    selected = selection.select(bag, rows, np.random.default_rng(seed))
    assert len(selected)
    assert np.array_equal(selected, np.unique(selected))
    assert np.isin(selected, rows).all()
    assert np.array_equal(selected, selection.select(bag, rows, np.random.default_rng(seed)))


def test_a_crop_is_all_patches_of_one_rectangle(bag_of) -> None:
    bag, crop = bag_of(3000), SpatialCrop()
    extent = bag.corners[1] - bag.corners[0]
    for seed in range(50):
        coords = bag.coords[crop.select(bag, np.arange(bag.length), np.random.default_rng(seed))]
        low, high = coords.min(axis=0), coords.max(axis=0)
        within = ((bag.coords >= low) & (bag.coords <= high)).all(axis=1)
        assert within.sum() == len(coords)
        assert (high - low <= 0.8 * extent).all()


def test_a_rectangle_without_enough_patches_becomes_a_random_sample_of_the_same_share() -> None:
    line = SourceBag("s", 400, 4, np.stack([np.arange(400), np.arange(400)], axis=1).astype(np.int32) * 256, 256)
    crop = SpatialCrop(extent=(0.1, 0.1), least=100)
    selected = crop.select(line, np.arange(400), np.random.default_rng(0))
    assert len(selected) == 100
    assert np.ptp(selected) > 200


def test_sparse_tissue_is_preferred() -> None:
    y, x = np.divmod(np.arange(900), 30)
    dense = np.stack([x, y], axis=1)
    sparse = np.stack([np.full(30, 400), 30 * np.arange(30)], axis=1)
    coords = np.concatenate([dense, sparse]).astype(np.int32)
    bag, subsampling = SourceBag("s", 930, 4, coords, 1), DensitySubsampling(fraction=(0.5, 0.5))
    shares = []
    for seed in range(30):
        rows = subsampling.select(bag, np.arange(930), np.random.default_rng(seed))
        assert len(rows) == 465
        shares.append([(rows >= 900).mean() * 930 / 30, (rows < 900).mean() * 930 / 900])
    sparse_rate, dense_rate = np.mean(shares, axis=0)
    assert sparse_rate > 1.5 > 1.02 > dense_rate
    assert len(np.unique(cells_of(coords, 8))) > 8


def test_regions_are_dropped_only_while_enough_patches_stay(bag_of) -> None:
    bag = bag_of(2000)
    for seed in range(30):
        random = np.random.default_rng(seed)
        stayed = len(RegionDrop(regions=20, extent=(0.3, 0.5), least=0.4).select(bag, np.arange(2000), random))
        assert 800 <= stayed < 2000


def test_dropout_and_subsampling_have_their_rates(bag_of) -> None:
    bag, rows = bag_of(4000, coords=False), np.arange(4000)
    assert len(InstanceDropout(rate=0.25).select(bag, rows, np.random.default_rng(0))) == pytest.approx(3000, abs=120)
    sizes = [len(RandomSubsampling().select(bag, rows, np.random.default_rng(seed))) for seed in range(40)]
    assert 2000 <= min(sizes) < 2200
    assert 3800 < max(sizes) <= 4000


def test_a_selection_by_coordinates_of_a_bag_without_them_says_so(bag_of) -> None:
    with pytest.raises(ValueError, match="slide slide has no coordinates"):
        SpatialCrop().select(bag_of(5, coords=False), np.arange(5), np.random.default_rng(0))


def test_random_rows_are_those_of_sorting_the_indices() -> None:
    rows = np.arange(0, 3000, 3)
    for seed, count in enumerate((1, 10, 999, 1000, 2000)):
        chosen = random_rows(rows, count, np.random.default_rng(seed))
        indices = np.random.default_rng(seed).choice(1000, min(count, 1000), replace=False, shuffle=False)
        assert np.array_equal(chosen, rows[np.sort(indices)])
