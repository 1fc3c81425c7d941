"""Coordinate transforms: never negative, and distances are those of the transform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from oceanpath.bags.augment.coord_affine import CoordAffine
from oceanpath.bags.augment.coord_jitter import CoordJitter
from oceanpath.bags.augment.spatial_grid_shuffle import SpatialGridShuffle

COORDS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=60, unique=True)
TRANSFORMS = st.sampled_from([CoordAffine(), SpatialGridShuffle(), SpatialGridShuffle(grid=7), CoordJitter(distance=3)])


@given(COORDS, TRANSFORMS, st.integers(0, 2**40), st.integers(0, 300))
def test_coordinates_are_never_negative(cells: list[tuple[int, int]], transform, seed: int, offset: int) -> None:
    coords = np.array(cells, np.int32) * 256 + offset
    moved = transform.transform(coords, 256, np.random.default_rng(seed))
    assert moved.dtype == np.int32
    assert moved.shape == coords.shape
    assert moved.min() >= 0


@given(COORDS, st.integers(0, 2**40))
def test_rotation_and_reflection_keep_all_distances(cells: list[tuple[int, int]], seed: int) -> None:
    coords = np.array(cells, np.int32) * 224
    moved = CoordAffine(scale=(1.0, 1.0)).transform(coords, 224, np.random.default_rng(seed))
    assert np.allclose(pdist(moved), pdist(coords))


def test_all_eight_symmetries_occur_and_scaled_distances_are_true_to_a_pixel() -> None:
    coords = np.array([[0, 0], [2560, 0], [0, 512]], np.int32)
    seen = set()
    for seed in range(200):
        moved = CoordAffine(scale=(1.0, 1.0)).transform(coords, 256, np.random.default_rng(seed))
        seen.add(moved.tobytes())
        scaled = CoordAffine().transform(coords, 256, np.random.default_rng(seed))
        width, height = sorted(pdist(scaled)[:2], reverse=True)
        assert 0.8 * 2560 - 1 <= width <= 1.2 * 2560 + 1
        assert 0.8 * 512 - 1 <= height <= 1.2 * 512 + 1
    assert len(seen) == 8


@given(COORDS, st.integers(0, 2**40), st.integers(2, 6))
def test_a_shuffle_moves_whole_cells_and_no_two_patches_overlap(
    cells: list[tuple[int, int]], seed: int, grid: int
) -> None:
    coords = np.array(cells, np.int32) * 256 + 100
    moved = SpatialGridShuffle(grid=grid, share=1.0).transform(coords, 256, np.random.default_rng(seed))
    assert len(np.unique(moved, axis=0)) == len(coords)
    assert ((moved - coords) % 256 == 0).all()
    side = -(-(np.ptp(coords, axis=0) // 256 + 1) // grid) * 256
    cell = (coords - coords.min(axis=0)) // side
    for key in np.unique(cell, axis=0):
        shifts = (moved - coords)[(cell == key).all(axis=1)]
        assert (shifts == shifts[0]).all()


def test_a_shuffle_of_no_cell_changes_nothing_and_one_of_all_does() -> None:
    coords = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2).astype(np.int32) * 256
    assert np.array_equal(SpatialGridShuffle(share=0.0).transform(coords, 256, np.random.default_rng(0)), coords)
    assert not np.array_equal(SpatialGridShuffle(share=1.0).transform(coords, 256, np.random.default_rng(0)), coords)


def test_jitter_is_at_most_its_distance() -> None:
    coords = np.full((5000, 2), 10_000, np.int32)
    moved = CoordJitter(distance=0.5).transform(coords, 256, np.random.default_rng(0))
    assert np.abs(moved - coords).max() == 128
    assert np.array_equal(CoordJitter().transform(coords, 256, np.random.default_rng(0)), coords)


def test_a_scale_is_positive_and_ordered() -> None:
    for scale in ((0.0, 1.0), (1.2, 0.8)):
        with pytest.raises(ValueError, match="scale"):
            CoordAffine(scale=scale)
