from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.cap import chosen_rows, stratified_rows


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**40), st.integers(0, 50))
def test_rows_are_sorted_unique_and_as_many_as_asked(length: int, keep: int, seed: int, epoch: int) -> None:
    rows = chosen_rows(length, keep, seed, epoch, "slide")
    assert len(rows) == min(length, keep)
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < length
    assert np.array_equal(rows, chosen_rows(length, keep, seed, epoch, "slide"))


def test_seed_epoch_and_slide_each_choose_other_rows() -> None:
    first = chosen_rows(1000, 100, 1, 0, "a")
    for other in (
        chosen_rows(1000, 100, 2, 0, "a"),
        chosen_rows(1000, 100, 1, 1, "a"),
        chosen_rows(1000, 100, 1, 0, "b"),
    ):
        assert not np.array_equal(first, other)


def test_every_part_of_a_slide_is_seen_over_the_epochs() -> None:
    seen = np.concatenate([chosen_rows(100, 10, 0, epoch, "a") for epoch in range(200)])
    counts = np.bincount(seen, minlength=100)
    assert counts.min() > 5  # 20 expected; keeping the head of the bag would leave zeros


@pytest.mark.parametrize("keep", [0, -1])
def test_a_bag_keeps_at_least_one_patch(keep: int) -> None:
    with pytest.raises(ValueError, match="at least one patch"):
        chosen_rows(10, keep, 0, 0, "a")
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


def test_a_lonely_corner_survives_stratified_but_not_always_random_capping() -> None:
    dense = np.stack(np.meshgrid(np.arange(50), np.arange(50)), -1).reshape(-1, 2)
    coords = np.concatenate([dense, [[100, 100]]]).astype(np.int32) * 256
    assert all(len(coords) - 1 in stratified_rows(coords, 50, 4, seed, "a") for seed in range(20))
    assert not all(len(coords) - 1 in chosen_rows(len(coords), 50, seed, 0, "a") for seed in range(20))
