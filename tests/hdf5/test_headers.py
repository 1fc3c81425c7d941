"""What is read of a file without the library is what the library says, or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features import hdf5_source
from oceanpath.artifacts.features.container import Source
from oceanpath.artifacts.features.files import FeatureMeta, read_meta, scan_features, write_features
from oceanpath.artifacts.features.sources import open_source
from oceanpath.errors import ArtifactError
from oceanpath.hdf5.attributes import TYPES, Unusual
from oceanpath.hdf5.headers import Contents, read_headers

REAL = Path(__file__).resolve().parents[2] / "../shared/data"
NUMBERS = ["<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"]


def headers(path: Path) -> Contents | None:
    handle = os.open(path, os.O_RDONLY)
    try:
        return read_headers(handle)
    except Unusual:
        return None
    finally:
        os.close(handle)


def told(path: Path, monkeypatch: pytest.MonkeyPatch, ours: bool) -> tuple[Any, ...]:
    """All that the reader says of a file, with its rows, with or without the library."""
    if not ours:
        monkeypatch.setattr(hdf5_source, "ordinary_source", lambda path, handle: None)
    try:
        with open_source(path) as source:
            rows = {name: rows_or_error(source, name) for name, (s, _) in source.arrays.items() if len(s) == 2}
            return source.arrays, rows, plain(source.attrs), {key: plain(at) for key, at in source.array_attrs.items()}
    finally:
        monkeypatch.undo()


def rows_or_error(source: Source, name: str) -> list[bytes] | str:
    try:
        return [block.tobytes() for block in source.blocks(name)]
    except ArtifactError as error:
        return error.what


def plain(attrs: Any) -> dict[str, Any]:
    """Attributes so that equal ones compare equal: types and values."""
    return {
        name: (type(value).__name__, np.asarray(value).dtype.str, np.asarray(value).tolist())
        for name, value in attrs.items()
    }


@pytest.mark.parametrize("dtype", NUMBERS)
def test_types_are_those_that_the_library_writes(dtype: str) -> None:
    written = h5py.h5t.py_create(np.dtype(dtype)).encode()[2:].rstrip(b"\0")
    assert TYPES[written] == np.dtype(dtype)
    assert len(TYPES) == len(NUMBERS)


ATTRS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=12).filter(lambda t: t != "."),
    st.one_of(
        st.booleans(),
        st.integers(-(2**62), 2**62),
        st.floats(allow_nan=False),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
        st.binary(min_size=1, max_size=9).map(lambda raw: np.bytes_(b"a" + raw.replace(b"\0", b"") + b"z")),
        st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=4).map(lambda v: np.array(v, np.float32)),
    ),
    max_size=7,
)


@given(
    n=st.integers(1, 300),
    dim=st.integers(1, 9),
    dtype=st.sampled_from(NUMBERS),
    chunks=st.one_of(st.none(), st.integers(1, 70)),
    filters=st.sampled_from([{}, {}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}]),
    where=st.sampled_from(["", "a/", "a/b/"]),
    of_file=ATTRS,
    of_coords=ATTRS,
)
@settings(deadline=None, max_examples=120)
def test_an_ordinary_file_is_told_as_the_library_tells_it(
    tmp_path_factory, n, dim, dtype, chunks, filters, where, of_file, of_coords
) -> None:
    path = tmp_path_factory.mktemp("h") / "a.h5"
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        how = {} if chunks is None else {"chunks": (min(chunks, n), dim), "maxshape": (None, dim)}
        file.create_dataset(
            f"{where}features", data=(random.standard_normal((n, dim)) * 50).astype(dtype), **how, **filters
        )
        coords = file.create_dataset("coords", data=random.integers(0, 9999, (n, 2)))
        file["elsewhere"] = h5py.SoftLink("/coords")
        file.attrs.update(of_file)
        coords.attrs.update(of_coords)
    with pytest.MonkeyPatch.context() as patch:
        assert told(path, patch, ours=True) == told(path, patch, ours=False)
    assert headers(path) is not None


def compact(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4, 2))
    h5py.Dataset(h5py.h5d.create(file.id, b"coords", h5py.h5t.NATIVE_INT32, space, plist))[()] = 3


def many(file: h5py.File) -> None:
    for number in range(400):
        file[f"extra/{number}"] = np.ones(1)


def long(file: h5py.File) -> None:
    file.attrs.update({f"long_{number}": np.ones(7000) for number in range(3)})


UNUSUAL: dict[str, tuple[dict[str, Any], Callable[[h5py.File], object]]] = {
    "latest": ({"libver": "latest"}, lambda file: None),
    "user block": ({"userblock_size": 512}, lambda file: None),
    "a choice": ({}, lambda file: file.attrs.create("sex", 1, dtype=h5py.enum_dtype({"F": 0, "M": 1}, "i1"))),
    "text in an array": ({}, lambda file: file.attrs.create("names", ["a", "b"])),
    "big endian": ({}, lambda file: file.create_dataset("coords", data=np.ones((40, 2), ">i4"))),
    "compact": ({}, compact),
    "lzf": ({}, lambda file: file.create_dataset("coords", data=np.ones((40, 2)), compression="lzf")),
    "a checksum": ({}, lambda file: file.create_dataset("coords", data=np.ones((40, 2)), fletcher32=True)),
    "unwritten": ({}, lambda file: file.create_dataset("coords", (40, 2), "i4")),
    "another file's": ({}, lambda file: file.__setitem__("other", h5py.ExternalLink("b.h5", "/x"))),
    "a tree of names": ({}, many),
    "dense attributes": ({}, long),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_is_unusual_is_left_to_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path, (how, add) = tmp_path / "a.h5", UNUSUAL[kind]
    with h5py.File(path, "w", **how) as file:
        file["features"] = np.ones((40, 4), np.float16)
        add(file)
    with path.open("rb", buffering=0) as handle:
        assert hdf5_source.ordinary_source(path, handle.fileno()) is None
    assert told(path, monkeypatch, ours=True) == told(path, monkeypatch, ours=False)


def test_links_that_go_round_end(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/features"] = np.ones((3, 2), np.float16)
        file["group/again"] = file["group"]
        file["group/top"] = file["/"]
    assert scan_features(tmp_path / "a.h5").features_key == "group/features"


@pytest.mark.parametrize("cut", [0, 1, 90, 500, 1500, 2287])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, cut: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["features"] = np.ones((30, 4), np.float16)
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:cut])
    with pytest.raises(ArtifactError):
        scan_features(tmp_path / "a.h5")


def test_our_own_files_need_no_library(tmp_path: Path) -> None:
    values = {"str": "uni_v1", "int": 4, "float": 0.5, "bool": False}
    told: dict[str, Any] = {field.name: values[str(field.type)] for field in fields(FeatureMeta)}
    write_features(tmp_path / "a.h5", np.ones((3, 4)), np.ones((3, 2), np.int32), FeatureMeta(**told), np.ones(3))
    assert headers(tmp_path / "a.h5") is not None
    assert read_meta(tmp_path / "a.h5") == FeatureMeta(**told)


@pytest.mark.real
def test_real_files_are_told_as_the_library_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted([*REAL.glob("patch_features_h5/*.h5"), *REAL.glob("clam_coords_h5/*.h5")])[:8]
    if not paths:
        pytest.skip("no real feature files beside the project")
    assert sum(headers(path) is not None for path in paths) >= 2
    for path in paths:
        assert told(path, monkeypatch, ours=True) == told(path, monkeypatch, ours=False)
