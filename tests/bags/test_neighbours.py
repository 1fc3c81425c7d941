"""Nearest neighbours equal those of a search over all pairs, on and off a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbour_table import NeighbourTable, neighbour_table
from oceanpath.bags.neighbours import nearest_rows
from oceanpath.errors import ArtifactError

CELLS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=90, unique=True)


def check(coords: np.ndarray, k: int) -> None:
    near, n = nearest_rows(coords, k), len(coords)
    assert near.dtype == np.int32
    assert near.shape == (n, k)
    distances = cdist(coords, coords)
    np.fill_diagonal(distances, np.inf)
    known = min(k, n - 1)
    expected = np.sort(distances, axis=1)[:, :known]
    assert np.allclose(np.take_along_axis(distances, near[:, :known].astype(np.int64), axis=1), expected)
    assert (near[:, known:] == np.arange(n)[:, None]).all()
    for row in near[:, :known]:
        assert len(set(row)) == known


@given(CELLS, st.integers(1, 8), st.sampled_from([1, 224, 256]), st.integers(0, 10_000))
def test_on_a_grid(cells: list[tuple[int, int]], k: int, step: int, offset: int) -> None:
    check(np.array(cells, np.int32) * step + offset, k)


@given(arrays(np.int32, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(0, 100_000)), st.integers(1, 8))
def test_off_a_grid_and_with_equal_coordinates(coords: np.ndarray, k: int) -> None:
    check(coords, k)


@given(arrays(np.int32, st.tuples(st.integers(1, 40), st.just(2)), elements=st.integers(0, 2)), st.integers(1, 8))
def test_with_many_equal_coordinates(coords: np.ndarray, k: int) -> None:
    check(coords, k)


def test_of_two_grids_with_different_origins_and_half_overlapping_patches() -> None:
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(9)), axis=-1).reshape(-1, 2).astype(np.int32)
    check(np.concatenate([grid * 256, grid * 256 + [5000, 137]]).astype(np.int32), 8)
    check((grid * [128, 256]).astype(np.int32), 8)


def test_the_spacing_is_the_common_distance_of_columns_and_rows() -> None:
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(5)), axis=-1).reshape(-1, 2).astype(np.int32)
    assert spacing_of(grid * 224 + 17) == 224
    assert spacing_of(grid[[0, 1, 8, 20, 30, 44]] * 512) == 512
    assert spacing_of(np.array([[7, 7]], np.int32)) == 1


def table_of(store: Store, tmp_path: Path, notes: list[str]) -> NeighbourTable:
    table = neighbour_table(store, tmp_path / "side", notes.append)
    assert table is not None
    return table


def test_a_table_is_made_once_and_found_again(make_store, bags, tmp_path) -> None:
    store = make_store(bags, coords=True)
    notes: list[str] = []
    table = table_of(store, tmp_path, notes)
    for number in range(len(store)):
        assert np.array_equal(table.of(number), nearest_rows(store.coords(number)))
        assert table.spacing[number] == (1 if store.length(number) == 1 else 256)
    assert notes == ["nearest neighbours of 4 slides: 0.0 MB, 266.7% of the features"]
    (folder,) = (tmp_path / "side").iterdir()
    before = (folder / "neighbours.npy").stat().st_mtime_ns
    assert np.array_equal(table_of(Store(store.path), tmp_path, notes).of(2), table.of(2))
    assert (folder / "neighbours.npy").stat().st_mtime_ns == before
    assert len(notes) == 1


def test_a_changed_table_is_an_error_and_an_unfinished_one_is_made_again(make_store, bags, tmp_path) -> None:
    store = make_store(bags, coords=True)
    neighbour_table(store, tmp_path / "side")
    (folder,) = (tmp_path / "side").iterdir()
    folder.rename(folder.with_suffix(".new"))
    (folder.with_suffix(".new") / "neighbours.npy").write_bytes(b"half")
    assert np.array_equal(table_of(store, tmp_path, []).of(0), nearest_rows(store.coords(0)))
    file = folder / "neighbours.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    with pytest.raises(ArtifactError, match="has changed"):
        neighbour_table(store, tmp_path / "side")


def test_another_store_has_another_table_and_one_without_coordinates_none(make_store, bags, tmp_path) -> None:
    neighbour_table(make_store(bags, coords=True), tmp_path / "side")
    neighbour_table(make_store(dict(list(bags.items())[:3]), coords=True), tmp_path / "side")
    assert len(list((tmp_path / "side").iterdir())) == 2
    assert neighbour_table(make_store(bags), tmp_path / "side") is None


def test_the_deviation_is_that_of_the_named_slides(make_store) -> None:
    random = np.random.default_rng(0)
    scale = np.logspace(-1, 1, 6)
    store = make_store({f"s{i}": random.standard_normal((90, 6)) * scale * (1 + 9 * (i == 3)) for i in range(4)})
    found = feature_deviation(store, [0, 1, 2])
    assert found.dtype == np.float32
    assert np.allclose(found, scale, rtol=0.2)
    assert np.array_equal(found, feature_deviation(store, [0, 1, 2]))
    assert (feature_deviation(store, [3]) > 5 * scale).all()
