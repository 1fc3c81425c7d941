"""A store that leaves features in their files gives the bytes that a copy gives, and refuses files that changed."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.store.reader import Store, check
from oceanpath.errors import ArtifactError
from oceanpath.pipeline.stage import Inputs, Quiet, Summary
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ...narrowing import required

DIM = 6
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "a chunk a patch": {"chunks": (1, DIM)},
    "chunks of rows": {"chunks": (7, DIM)},
    "chunks of columns": {"chunks": (4, 3)},
    "gzip": {"compression": "gzip"},
}


def put(
    path: Path, n: int, dtype: str, how: Mapping[str, Any], coords: str | None = "i4", leading: bool = False
) -> None:
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(n)
    features = random.standard_normal((n, DIM)).astype(dtype)
    if leading:
        how = {key: (1, *value) if key == "chunks" else value for key, value in how.items()}
    with h5py.File(path, "w") as file:
        file.attrs["note"] = "x" * (n % 13)  # so that data begin at odd places
        file.create_dataset("features", data=features[None] if leading else features, **how)
        if coords is not None:
            file["coords"] = random.integers(0, 9999, (n, 2)).astype(coords)


def build(folder: Path, out: Path, **keys: object) -> Summary:
    out.mkdir()
    return run(MmapSettings(features=folder, **keys), Inputs(), out, Quiet())


SLIDES = st.lists(
    st.tuples(
        st.integers(7, 90),
        st.sampled_from(["float16", "float32", "float64"]),
        st.sampled_from(sorted(LAYOUTS)),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@given(
    SLIDES,
    st.sampled_from(["float16", "float32"]),
    st.sampled_from(["i4", "i8", "f4", None]),
    st.sampled_from([None, 40]),
)
@settings(max_examples=15)
def test_an_adopted_store_reads_as_a_copied_one(tmp_path_factory, slides, dtype, coords, cap) -> None:
    top = tmp_path_factory.mktemp("adopt")
    for i, (n, stored, layout, leading) in enumerate(slides):
        put(top / "features" / f"slide_{i}.h5", n, stored, LAYOUTS[layout], coords, leading)
    build(top / "features", top / "copy", dtype=dtype, max_instances=cap)
    summary = build(top / "features", top / "adopt", dtype=dtype, max_instances=cap, mode="adopt")
    check(top / "adopt")
    copy, adopted = Store(top / "copy"), Store(top / "adopt", check=True)
    plain = [
        stored == dtype and layout not in ("gzip", "chunks of columns") and (cap is None or n <= cap)
        for n, stored, layout, _ in slides
    ]
    assert summary.metrics["adopted"] == sum(plain)
    assert (adopted.index.feature_offsets < 0).tolist() == plain
    assert copy.slide_ids == adopted.slide_ids
    for i in range(len(copy)):
        assert adopted.features(i).tobytes() == copy.features(i).tobytes()
        assert not adopted.features(i).flags.writeable
        assert (adopted.coords(i) is None) == (coords is None)
        assert coords is None or np.array_equal(required(adopted.coords(i)), required(copy.coords(i)))
        into = np.empty((copy.length(i), DIM), dtype)
        adopted.read_features(i, into.data.cast("B"))
        assert into.tobytes() == copy.features(i).tobytes()
        adopted.verify(i)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An adopted store of three slides, one of which is compressed and so was copied."""
    for i, layout in enumerate(("contiguous", "a chunk a patch", "gzip")):
        put(tmp_path / "features" / f"slide_{i}.h5", 50 + i, "float16", LAYOUTS[layout])
    summary = build(tmp_path / "features", tmp_path / "store", mode="adopt")
    assert any("1 slides copied" in line and "slide_2" in line and "compressed" in line for line in summary.lines)
    return tmp_path / "store"


def test_no_features_are_copied_but_those_that_must_be(store: Path) -> None:
    assert sum(path.stat().st_size for path in store.glob("features_*.bin")) == 4096


def test_only_what_is_local_tells_the_place(store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "features", moved)
    build(moved, tmp_path / "again", mode="adopt")
    sealed = [path for path in store.rglob("*") if path.is_file() and "local" not in path.parts]
    assert len(sealed) == 4
    for path in sealed:
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(store)).read_bytes()
        assert os.fsencode(tmp_path) not in path.read_bytes()


def change(path: Path, size: bool) -> None:
    with h5py.File(path, "r+") as file:
        file["features"][0] = 0
        if size:
            file["more"] = np.ones(1000)


@pytest.mark.parametrize("slide", [0, 1])
@pytest.mark.parametrize("size", [False, True])
def test_a_changed_file_is_refused_by_name(store: Path, tmp_path: Path, slide: int, size: bool) -> None:
    opened = Store(store)
    opened.features(slide)
    path = tmp_path / "features" / f"slide_{slide}.h5"
    change(path, size)
    os.utime(path, ns=(1, 1))
    for reader in (opened, Store(store)):
        with pytest.raises(ArtifactError, match=rf"slide_{slide}\.h5.*changed since"):
            reader.features(slide)
        with pytest.raises(ArtifactError, match=rf"slide_{slide}\.h5.*changed since"):
            reader.read_features(slide, memoryview(bytearray(10)))
        reader.features(1 - slide)


def test_a_file_that_was_only_touched_or_replaced_by_its_copy_is_read(store: Path, tmp_path: Path) -> None:
    before = [Store(store).features(i).tobytes() for i in (0, 1)]
    os.utime(tmp_path / "features" / "slide_0.h5", ns=(1, 1))
    shutil.copyfile(tmp_path / "features" / "slide_1.h5", tmp_path / "copy.h5")
    (tmp_path / "copy.h5").replace(tmp_path / "features" / "slide_1.h5")
    assert [Store(store).features(i).tobytes() for i in (0, 1)] == before


def test_a_change_that_leaves_the_stamp_is_found_by_verifying(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "features" / "slide_0.h5"
    state = path.stat()
    change(path, size=False)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    Store(store, check=False).features(0)
    with pytest.raises(ArtifactError, match=r"slide_0\.h5.*changed since the store was built"):
        Store(store, check=False).verify(0)
    with pytest.raises(ArtifactError, match=r"slide_0\.h5.*changed since the store was built"):
        Store(store).features(0)


def test_files_that_are_gone_or_moved_are_told_and_can_be_pointed_at(store: Path, tmp_path: Path) -> None:
    before = Store(store).features(0).tobytes()
    (tmp_path / "features").rename(tmp_path / "moved")
    with pytest.raises(ArtifactError, match=r"slide_0\.h5.*cannot be read"):
        Store(store).features(0)
    pointed = Store(store, features=tmp_path / "moved")
    assert pointed.features(0).tobytes() == before
    assert pickle.loads(pickle.dumps(pointed)).features(0).tobytes() == before
    shutil.rmtree(store / "local")
    with pytest.raises(ArtifactError, match="location of the store's feature files is unknown"):
        Store(store).features(0)
    assert Store(store, features=tmp_path / "moved").features(1).tobytes()


def test_a_file_that_changes_while_it_is_adopted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "features" / "a.h5", 50, "float16", {})
    real = os.preadv

    def meddling(handle: int, buffers: list[memoryview], offset: int) -> int:
        os.utime(tmp_path / "features" / "a.h5", ns=(1, len(buffers)))
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", meddling)
    with pytest.raises(ArtifactError, match=r"a\.h5.*changed since it was scanned"):
        build(tmp_path / "features", tmp_path / "out", mode="adopt")


def test_adopted_values_that_are_not_finite_are_found_by_verifying(tmp_path: Path) -> None:
    put(tmp_path / "features" / "a.h5", 50, "float16", {})
    with h5py.File(tmp_path / "features" / "a.h5", "r+") as file:
        file["features"][3, 2] = np.nan
    build(tmp_path / "features", tmp_path / "out", mode="adopt")
    with pytest.raises(ArtifactError, match=r"a\.h5.*NaN or infinite.*got a"):
        Store(tmp_path / "out").verify(0)
