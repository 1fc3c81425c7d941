from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.cap import Cap, sample_rows, stratified_rows


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**40), st.integers(0, 50))
def test_rows_are_sorted_unique_and_as_many_as_asked(length: int, keep: int, seed: int, epoch: int) -> None:
    rows = sample_rows(length, keep, seed, epoch, "slide")
    assert len(rows) == min(length, keep)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < length
    assert np.array_equal(rows, sample_rows(length, keep, seed, epoch, "slide"))


def test_seed_epoch_and_slide_each_choose_other_rows() -> None:
    first = sample_rows(1000, 100, 1, 0, "a")
    for other in (
        sample_rows(1000, 100, 2, 0, "a"),
        sample_rows(1000, 100, 1, 1, "a"),
        sample_rows(1000, 100, 1, 0, "b"),
    ):
        assert not np.array_equal(first, other)


def test_every_part_of_a_slide_is_seen_over_the_epochs() -> None:
    seen = np.concatenate([sample_rows(100, 10, 0, epoch, "a") for epoch in range(200)])
    counts = np.bincount(seen, minlength=100)
    assert counts.min() > 5  # 20 expected; keeping the head of the bag would leave zeros


@pytest.mark.parametrize("keep", [0, -1])
def test_a_bag_keeps_at_least_one_patch(keep: int) -> None:
    with pytest.raises(ValueError, match="at least one patch"):
        sample_rows(10, keep, 0, 0, "a")
    with pytest.raises(ValueError, match="at least one patch"):
        stratified_rows(np.zeros((10, 2), np.int32), keep, 4, 0, "a")


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 200), st.integers(1, 220), st.integers(1, 8), st.integers(0, 99))
def test_stratified_rows_are_sorted_unique_and_as_many_as_asked(n: int, keep: int, grid: int, seed: int) -> None:
    coords = np.random.default_rng(seed).integers(0, 50, size=(n, 2)).astype(np.int32) * 256
    rows = stratified_rows(coords, keep, grid, seed, "a")
    assert len(rows) == min(n, keep)
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, stratified_rows(coords, keep, grid, seed, "a"))


def test_slots_are_proportional_to_the_square_root_of_the_counts() -> None:
    """Five cells with 1, 4, 9, 16 and 25 patches and 15 slots: one, two, three, four, five."""
    counts = [1, 4, 9, 16, 25]
    cell = np.repeat(np.arange(5), counts)
    coords = np.stack([cell * 1000, np.zeros_like(cell)], axis=1).astype(np.int32)
    for seed in range(5):
        kept = stratified_rows(coords, 15, 5, seed, "a")
        assert np.bincount(cell[kept], minlength=5).tolist() == [1, 2, 3, 4, 5]


def test_a_cell_gives_no_more_than_it_holds_and_no_less_than_one() -> None:
    counts = [1, 1, 400]
    cell = np.repeat(np.arange(3), counts)
    coords = np.stack([cell * 1000, np.zeros_like(cell)], axis=1).astype(np.int32)
    for keep, expected in ((3, [1, 1, 1]), (20, [1, 1, 18]), (401, [1, 1, 399])):
        kept = stratified_rows(coords, keep, 3, 0, "a")
        assert np.bincount(cell[kept], minlength=3).tolist() == expected


def test_rows_within_a_cell_are_drawn_evenly_and_seed_and_slide_decide() -> None:
    coords = np.zeros((40, 2), np.int32)
    drawn = [stratified_rows(coords, 10, 4, seed, "a") for seed in range(400)]
    counts = np.bincount(np.concatenate(drawn), minlength=40)
    assert counts.min() > 60 and counts.max() < 145  # 100 expected, standard deviation 9
    assert not np.array_equal(drawn[0], stratified_rows(coords, 10, 4, 0, "b"))


def test_more_cells_than_slots_give_one_patch_of_some_cells_drawn_evenly() -> None:
    coords = np.stack([np.repeat(np.arange(8), 5) * 1000, np.zeros(40)], axis=1).astype(np.int32)
    cells = [np.repeat(np.arange(8), 5)[stratified_rows(coords, 3, 8, seed, "a")] for seed in range(400)]
    assert all(len(set(found.tolist())) == 3 for found in cells)
    counts = np.bincount(np.concatenate(cells), minlength=8)
    assert counts.min() > 110 and counts.max() < 190  # 150 expected, standard deviation 10


def test_cells_are_equal_parts_of_the_bounding_box_along_both_axes() -> None:
    """Two by two cells of a box that starts anywhere: its quarters, whose patches share the slots alike."""
    x, y = np.meshgrid(np.arange(10), np.arange(10))
    coords = np.stack([5000 + 100 * x.ravel(), 300 + 7 * y.ravel()], axis=1).astype(np.int32)
    quarter = (x.ravel() >= 5) + 2 * (y.ravel() >= 5)
    for seed in range(5):
        assert np.bincount(quarter[stratified_rows(coords, 16, 2, seed, "a")]).tolist() == [4, 4, 4, 4]


def test_a_lonely_corner_survives_stratified_but_not_always_random_capping() -> None:
    dense = np.stack(np.meshgrid(np.arange(50), np.arange(50)), -1).reshape(-1, 2)
    coords = np.concatenate([dense, [[100, 100]]]).astype(np.int32) * 256
    assert all(len(coords) - 1 in stratified_rows(coords, 50, 4, seed, "a") for seed in range(20))
    assert not all(len(coords) - 1 in sample_rows(len(coords), 50, seed, 0, "a") for seed in range(20))


GRID = np.stack([np.arange(24) % 6, np.arange(24) // 6], axis=1).astype(np.int32)


def test_a_bag_of_exactly_the_cap_is_whole() -> None:
    cap = Cap(24, "spatial_stratified", 4, 0)
    assert cap.rows(24, GRID, "a") is None
    assert cap._replace(max_patches=23).rows(24, GRID, "a") is not None


def test_the_strategy_and_the_coordinates_decide_how_rows_are_drawn() -> None:
    cap, sample = Cap(6, "spatial_stratified", 2, 7), sample_rows(24, 6, 7, 0, "a")
    stratified = stratified_rows(GRID, 6, 2, 7, "a")
    assert not np.array_equal(sample, stratified)
    for strategy, coords, expected in (
        ("spatial_stratified", GRID, stratified),
        ("spatial_stratified", None, sample),
        ("random", GRID, sample),
    ):
        rows = cap._replace(strategy=strategy).rows(24, coords, "a")
        assert rows is not None and np.array_equal(rows, expected)


def test_golden_rows_are_those_of_a_fixed_bag_of_six_by_four_patches() -> None:
    for strategy in ("spatial_stratified", "random"):
        cap = Cap(5, strategy, 4, 0)
        expected = cap.rows(24, GRID, "golden")
        assert expected is not None and cap.golden_rows() == expected.tolist()
        assert cap._replace(max_patches=100).golden_rows() == cap.golden_rows(), "always five rows"


def test_published_caps_depend_on_these_rows() -> None:
    """Another version of numpy that draws other rows changes the answers of capped models, and is detected here."""
    assert Cap(5, "random", 4, 0).golden_rows() == [2, 8, 10, 19, 23]
    assert Cap(5, "spatial_stratified", 4, 0).golden_rows() == [2, 4, 7, 8, 9]
    assert Cap(5, "spatial_stratified", 2, 0).golden_rows() == [0, 6, 11, 17, 20]
