"""Columns come back as views of the file; damage is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from oceanpath.artifacts.store.columns import ALIGN, check_columns, map_columns, write_columns
from oceanpath.errors import ArtifactError

ARRAYS = st.one_of(
    *(arrays(dtype, array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=9)) for dtype in ("i8", "f8", "S7", "?"))
)


@given(st.dictionaries(st.text("abcdefgh_ä", min_size=1, max_size=70), ARRAYS, max_size=6))
@settings(max_examples=40)
def test_arrays_come_back_and_numpy_reads_them_too(tmp_path_factory, columns) -> None:
    path = tmp_path_factory.mktemp("columns") / "a.npz"
    write_columns(path, columns)
    check_columns(path)
    found, theirs = map_columns(path), np.load(path, allow_pickle=False)
    assert list(found) == list(columns) == theirs.files
    for name, array in columns.items():
        for read in (found[name], theirs[name]):
            assert read.dtype == array.dtype
            assert read.shape == array.shape
            assert read.tobytes() == array.tobytes()
        assert not array.size or found[name].ctypes.data % ALIGN == 0
        assert not found[name].flags.writeable


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_columns(tmp_path / name, {"x": np.arange(5), "y": np.array([b"z"])})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_objects_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        write_columns(tmp_path / "a", {"x": np.array([object()])})


@pytest.mark.parametrize("damage", ["empty", "cut", "compressed", "pickle", "gone", "no zip"])
def test_what_is_no_such_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    write_columns(path, {"x": np.arange(100), "y": np.arange(3)})
    whole = path.read_bytes()
    if damage == "compressed":
        np.savez_compressed(path, x=np.zeros(100))
    elif damage == "pickle":
        np.savez(path, x=np.array([object()]))
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": whole[:-30], "no zip": b"hello" * 99}[damage])
    with pytest.raises(ArtifactError, match=r"a\.npz"):
        map_columns(path)


def test_a_flipped_bit_is_found_by_reading_all(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_columns(path, {"x": np.arange(100)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(np.arange(100).tobytes()) + 50] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"x\.npy"):
        check_columns(path)
