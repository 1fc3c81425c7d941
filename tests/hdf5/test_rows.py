"""Rows read past HDF5's lock are the rows that HDF5 gives, whatever the layout; damage is an error, not other rows."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features.files import all_finite, layout_of, read_features, scan_features
from oceanpath.artifacts.features.sources import open_source
from oceanpath.errors import ArtifactError
from oceanpath.hdf5 import rows as hdf5_rows
from oceanpath.hdf5.chunks import tree_chunks


def rows_of(path: Path, name: str = "features") -> tuple[np.ndarray, np.ndarray, bool]:
    """What we read, what h5py reads, and whether the bytes were fetched from their places."""
    with open_source(path) as source:
        ours = np.concatenate([block.copy() for block in source.blocks(name)])
        placed = source.runs(name) is not None
    with h5py.File(path) as file:
        return ours, file[name][()].reshape(-1, file[name].shape[-1]), placed


def write(path: Path, values: np.ndarray, libver: str | None = None, **how: Any) -> Path:
    with h5py.File(path, "w", libver=libver) as file:
        file.create_dataset("features", data=values, **how)
    return path


def values(n: int, dim: int, dtype: str, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((n, dim)) * 100).astype(dtype)


HOW = st.fixed_dictionaries(
    {
        "chunks": st.one_of(st.none(), st.just("rows"), st.just("tiles"), st.just(True)),
        "compression": st.sampled_from([None, None, "gzip", "lzf"]),
        "shuffle": st.booleans(),
        "fletcher32": st.sampled_from([False, False, True]),
    }
)


@given(
    n=st.integers(1, 400),
    dim=st.integers(1, 33),
    dtype=st.sampled_from(["<f2", "<f4", "<f8", ">f4", "<i4", "<i8"]),
    high=st.integers(1, 70),
    wide=st.integers(1, 40),
    leading=st.booleans(),
    libver=st.sampled_from([None, "latest"]),
    how=HOW,
    block=st.sampled_from([64, 3000, 1 << 20]),
)
@settings(deadline=None, max_examples=200)
def test_rows_are_what_hdf5_gives(tmp_path_factory, n, dim, dtype, high, wide, leading, libver, how, block) -> None:
    shape = (1, n, dim) if leading else (n, dim)
    chunks: Any = how["chunks"]
    if chunks in ("rows", "tiles"):
        chunk = (min(high, n), dim if chunks == "rows" else min(wide, dim))
        chunks = (1, *chunk) if leading else chunk
    filters = {key: how[key] for key in ("compression", "shuffle", "fletcher32") if how[key]}
    plain = chunks is None and not filters
    path = tmp_path_factory.mktemp("h") / "a.h5"
    write(path, values(n, dim, dtype).reshape(shape), libver, chunks=chunks, **filters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_rows, "BLOCK_BYTES", block)
        patch.setattr(hdf5_rows, "TILES_BYTES", block)
        ours, theirs, placed = rows_of(path)
    assert ours.dtype == theirs.dtype.newbyteorder("=")
    assert np.array_equal(ours, theirs)
    if dtype != ">f4" and not filters and (plain or how["chunks"] == "rows"):
        assert placed


@pytest.mark.parametrize("libver", [None, "latest"])
def test_a_tree_of_several_levels_and_rows_in_any_order(tmp_path: Path, libver: str | None) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver) as file:
        wanted = values(9000, 3, "f2")
        kept = file.create_dataset("features", (9000, 3), "f2", chunks=(1, 3), maxshape=(None, 3))
        for row in np.random.default_rng(0).permutation(9000).tolist():  # the places in the file are in this order
            kept[row] = wanted[row]
    ours, theirs, placed = rows_of(path)
    assert placed
    assert np.array_equal(ours, wanted)
    assert np.array_equal(theirs, wanted)


@pytest.mark.parametrize("libver", [None, "latest"])
@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        ("whole", {}, "features was allocated but never written"),
        ("chunks", {"chunks": (5, 4)}, "features was allocated but never written"),
        ("filled", {"chunks": (5, 4), "fillvalue": 7.0}, "features was allocated but never written"),
        ("gzip", {"chunks": (5, 4), "compression": "gzip"}, "features was allocated but never written"),
        ("part", {"chunks": (5, 4)}, r"features was written in part: 2 of 10 chunks"),
        ("lzf part", {"chunks": (5, 4), "compression": "lzf"}, r"features was written in part: 2 of 10 chunks"),
    ],
)
def test_rows_that_were_never_written_are_no_features(
    tmp_path: Path, name: str, how: dict[str, Any], says: str, libver: str | None
) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        kept = file.create_dataset("features", (50, 4), "f4", **how)
        if "part" in name:
            kept[20:30] = 1.0
    with pytest.raises(ArtifactError, match=rf"a\.h5: {says}"):
        scan_features(tmp_path / "a.h5")
    with pytest.raises(ArtifactError, match=rf"a\.h5: {says}"):
        layout_of(tmp_path / "a.h5")


def test_what_numpy_would_hold_otherwise_is_left_to_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    brain = h5py.h5t.IEEE_F32LE.copy()  # bfloat16: h5py reads it as float32, which is not what lies in the file
    brain.set_fields(15, 7, 8, 0, 7)
    brain.set_size(2)
    brain.set_ebias(127)
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((10, 4))
        kept = h5py.Dataset(h5py.h5d.create(file.id, b"features", brain, space))
        kept[()] = values(10, 4, "f4")
    ours, theirs, placed = rows_of(path)
    assert not placed
    assert np.array_equal(ours, theirs)


def test_a_user_block_moves_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        file.create_dataset("features", data=values(40, 4, "f4"), chunks=(1, 4))
    ours, theirs, _ = rows_of(tmp_path / "a.h5")
    assert np.array_equal(ours, theirs)


def write_rows(path: Path) -> None:
    write(path, values(60, 4, "f4"), chunks=(1, 4), maxshape=(None, 4))


def write_group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["features"] = np.ones((30, 4), np.float16)
        file["group/coords"] = np.ones((30, 2), np.int32)
        file.attrs["encoder"] = "uni"


@pytest.mark.parametrize("make", [write_rows, write_group])
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=225)
def test_a_flipped_bit_is_an_error_of_ours_or_another_file(tmp_path_factory, make, place: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("f") / "a.h5"
    make(path)
    raw = bytearray(path.read_bytes())
    raw[place % len(raw)] ^= 1 << bit
    path.write_bytes(raw)
    try:
        features, _ = read_features(scan_features(path))
    except ArtifactError:
        return
    assert features.ndim == 2


def test_a_damaged_index_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", values(300, 4, "f4"), chunks=(1, 4), maxshape=(None, 4))
    raw = bytearray(path.read_bytes())
    leaf = raw.rindex(b"TREE")
    raw[leaf + 16 : leaf + 24] = leaf.to_bytes(8, "little")  # its right sibling is the node itself
    path.write_bytes(raw)
    with path.open("rb") as beside:
        assert tree_chunks(leaf, (300, 4), (1, 4), beside.fileno()) is None
        assert tree_chunks(leaf, (2**50, 4), (1, 4), beside.fileno()) is None
    assert np.array_equal(read_features(scan_features(path))[0], values(300, 4, "f4"))  # the library looks it up


@given(masks=st.lists(st.integers(0, 3), min_size=6, max_size=6), apart=st.booleans())
@settings(deadline=None, max_examples=30)
def test_a_chunk_may_leave_filters_out(tmp_path_factory, masks: list[int], apart: bool) -> None:
    """Each of six chunks went through shuffle and deflate, one of them, or none; they may lie far apart."""
    path, wanted = tmp_path_factory.mktemp("m") / "a.h5", values(18, 8, "f4")
    with h5py.File(path, "w") as file:
        how = {"chunks": (6, 4), "compression": "gzip", "shuffle": True}
        kept = file.create_dataset("features", (18, 8), "f4", **how)
        for number, mask in enumerate(masks):
            top, left = 6 * (number // 2), 4 * (number % 2)
            raw = np.ascontiguousarray(wanted[top : top + 6, left : left + 4])
            stored = raw.tobytes() if mask & 1 else raw.view(np.uint8).reshape(-1, 4).T.tobytes()
            kept.id.write_direct_chunk((top, left), stored if mask & 2 else zlib.compress(stored), filter_mask=mask)
            if apart:
                file[f"between_{number}"] = np.ones(5000)
    ours, theirs, _ = rows_of(path)
    assert np.array_equal(ours, wanted)
    assert np.array_equal(theirs, wanted)
    assert np.array_equal(read_features(scan_features(path))[0], wanted)


@pytest.mark.parametrize("how", ["longer", "shorter", "broken"])
def test_a_chunk_that_inflates_to_something_else_is_damage(tmp_path: Path, how: str) -> None:
    raw = {"longer": zlib.compress(bytes(200)), "shorter": zlib.compress(bytes(20)), "broken": b"not deflate"}[how]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kept = file.create_dataset("features", (10, 4), "f4", chunks=(10, 4), compression="gzip")
        kept.id.write_direct_chunk((0, 0), raw)
    with pytest.raises(ArtifactError):
        read_features(scan_features(tmp_path / "a.h5"))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_finite_is_what_numpy_calls_finite(dtype: str) -> None:
    limits = np.finfo(dtype)
    good = np.array([0.0, -0.0, limits.max, limits.min, limits.tiny, -limits.smallest_subnormal], dtype)
    assert all_finite(good)
    assert all_finite(good[:0])
    for bad in (np.nan, -np.nan, np.inf, -np.inf):
        assert not all_finite(np.append(good, np.array(bad, dtype)))


@pytest.mark.parametrize("how", ["cut", "rewritten", "replaced"])
def test_a_file_that_changes_after_the_scan_is_refused(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.h5", values(300, 4, "f4"), chunks=(1, 4))
    file = scan_features(path)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-5000])
    elif how == "rewritten":
        with h5py.File(path, "a") as stored:
            stored["features"][3] = 9.0
    else:
        write(tmp_path / "b.h5", values(300, 4, "f4", seed=1), chunks=(1, 4)).replace(path)
    with pytest.raises(ArtifactError, match="changed since"):
        read_features(file)
