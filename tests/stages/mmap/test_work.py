"""Feature files in, the same bags out; every bad file is told, at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store, check, digest_content
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.hdf5 import rows as hdf5_rows
from oceanpath.pipeline.digests import DigestCache
from oceanpath.pipeline.stage import Inputs, Quiet, Summary
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ...narrowing import required


def put(folder: Path, name: str, features: np.ndarray, coords: np.ndarray | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file["features"] = features
        if coords is not None:
            file["coords"] = coords
    return folder / f"{name}.h5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three slides whose first two features are the place of the patch, so that any misalignment shows."""
    random = np.random.default_rng(0)
    for name, n in (("a", 30), ("b", 500), ("c", 7)):
        coords = np.stack([np.arange(n) % 25, np.arange(n) // 25], 1).astype(np.int32)
        features = random.standard_normal((n, 6)).astype(np.float32)
        features[:, :2] = coords
        put(tmp_path / "features", name, features, coords * 256)
    return tmp_path / "features"


def build(folder: Path, out: Path, **keys: object) -> Summary:
    out.mkdir()
    return run(MmapSettings(features=folder, **keys), Inputs(), out, Quiet())


def test_bags_are_the_files(folder: Path, tmp_path: Path) -> None:
    summary = build(folder, tmp_path / "out")
    check(tmp_path / "out")
    store = Store(tmp_path / "out")
    assert store.slide_ids == ["a", "b", "c"]
    assert summary.metrics == {"slides": 3, "patches": 537, "left_out": 0}
    for i, name in enumerate("abc"):
        with h5py.File(folder / f"{name}.h5") as file:
            assert np.array_equal(store.features(i), file["features"][:].astype(np.float16))
            assert np.array_equal(required(store.coords(i)), file["coords"][:])


@pytest.mark.parametrize("strategy", ["random", "spatial_stratified"])
def test_capping_keeps_rows_and_places_together(folder: Path, tmp_path: Path, strategy: str) -> None:
    build(folder, tmp_path / "out", max_instances=100, cap_strategy=strategy)
    store = Store(tmp_path / "out")
    assert store.index.lengths.tolist() == [30, 100, 7]
    assert store.index.raw_lengths.tolist() == [30, 500, 7]
    assert np.array_equal(store.features(1)[:, :2].astype(np.int32) * 256, required(store.coords(1)))


def test_adding_a_slide_changes_no_other_slides_rows(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "one", max_instances=100)
    put(folder, "0_first", np.ones((200, 6), np.float32), np.arange(400).reshape(200, 2).astype(np.int32))
    build(folder, tmp_path / "two", max_instances=100)
    assert np.array_equal(Store(tmp_path / "one").features(1), Store(tmp_path / "two").features(2))


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_bytes_do_not_depend_on_workers(folder: Path, tmp_path: Path, workers: int) -> None:
    build(folder, tmp_path / "one", workers=2)
    build(folder, tmp_path / "two", workers=workers)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_slides_without_places_make_a_store_without_places(tmp_path: Path) -> None:
    put(tmp_path / "f", "a", np.ones((4, 3), np.float32))
    build(tmp_path / "f", tmp_path / "out")
    assert Store(tmp_path / "out").coords(0) is None


def spoil(folder: Path) -> None:
    (folder / "a.h5").write_bytes((folder / "a.h5").read_bytes()[:900])
    put(folder, "d", np.ones((4, 5), np.float32), np.zeros((4, 2), np.int32))
    put(folder, "e", np.zeros((0, 6), np.float32), np.zeros((0, 2), np.int32))
    put(folder, "f", np.ones((4, 6), np.float32), np.zeros((3, 2), np.int32))


def test_all_bad_files_are_listed_at_once_with_their_reasons(folder: Path, tmp_path: Path) -> None:
    spoil(folder)
    with pytest.raises(ArtifactError) as caught:
        build(folder, tmp_path / "out")
    text = str(caught.value)
    assert "4 of 6 feature files cannot be used" in text
    for name in ("a.h5", "d.h5", "e.h5", "f.h5"):
        assert name in text
    assert "expected 6, got 5" in text


def test_bad_files_are_left_out_by_name_only_when_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    spoil(folder)
    summary = build(folder, tmp_path / "out", allow_missing=True)
    assert Store(tmp_path / "out").slide_ids == ["b", "c"]
    assert summary.metrics["left_out"] == 4
    assert sum(line.startswith("left out") for line in summary.lines) == 4


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (np.inf, "infinite"), (1e6, "float32")])
def test_values_that_are_not_finite_or_do_not_fit_are_refused(folder: Path, tmp_path: Path, value, words: str) -> None:
    features = np.ones((4, 6), np.float32)
    features[2, 3] = value
    put(folder, "d", features, np.zeros((4, 2), np.int32))
    with pytest.raises(ArtifactError, match=words) as caught:
        build(folder, tmp_path / "out")
    assert "d.h5" in str(caught.value)


def test_large_values_fit_float32(folder: Path, tmp_path: Path) -> None:
    put(folder, "d", np.full((4, 6), 1e6, np.float32), np.zeros((4, 2), np.int32))
    build(folder, tmp_path / "out", dtype="float32")
    assert Store(tmp_path / "out").features(3).max() == 1e6


def test_no_source_and_two_sources_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="neither slides nor features"):
        run(MmapSettings(), Inputs(), tmp_path, Quiet())
    with pytest.raises(ExperimentError, match="one of the two"):
        run(MmapSettings(features=folder), Inputs(parents={"extract": folder}), tmp_path, Quiet())


def test_a_full_disk_is_told_and_leaves_no_index(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = os.pwrite, list[int]()

    def full(handle: int, data: memoryview, offset: int) -> int:
        if sum(written) > 3000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(real(handle, data, offset))
        return written[-1]

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StageError, match="No space left"):
        build(folder, tmp_path / "out")
    assert written
    assert not (tmp_path / "out" / "index_arrays.npz").exists()


def test_a_disk_without_room_is_told_before_anything_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StageError, match="No space left"):
        build(folder, tmp_path / "out")


def test_a_source_that_changes_while_it_is_read_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.preadv

    def meddling(handle: int, buffers: list[memoryview], offset: int) -> int:
        os.utime(folder / "b.h5", ns=(1, len(buffers)))
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", meddling)
    with pytest.raises(ArtifactError, match=r"b\.h5.*changed since it was scanned"):
        build(folder, tmp_path / "out")


def digested(folder: Path, cache: Path) -> Inputs:
    content = DigestCache(cache).content(folder)
    return Inputs(files={"features": content.files}, versions={"features": content.stats})


@pytest.mark.parametrize("mode", ["copy", "adopt"])
@pytest.mark.parametrize("how", ["rewritten", "damaged", "gone"])
def test_a_source_that_changes_after_it_was_digested_is_refused(
    folder: Path, tmp_path: Path, how: str, mode: str
) -> None:
    inputs = digested(folder, tmp_path / "digests.sqlite")
    if how == "rewritten":
        put(folder, "b", np.ones((9, 6), np.float32), np.zeros((9, 2), np.int32))
    elif how == "damaged":
        (folder / "b.h5").write_bytes(b"nothing")
    else:
        (folder / "b.h5").unlink()
    (tmp_path / "out").mkdir()
    chosen = MmapSettings(features=folder, mode=mode, allow_missing=True)
    with pytest.raises(ArtifactError, match=r"1 of 3 feature files changed during this run.*b\.h5"):
        run(chosen, inputs, tmp_path / "out", Quiet())
    assert not list((tmp_path / "out").glob("*.npz"))


def test_a_file_that_appears_after_the_folder_was_digested_waits_for_the_next_store(
    folder: Path, tmp_path: Path
) -> None:
    inputs = digested(folder, tmp_path / "digests.sqlite")
    put(folder, "d", np.ones((9, 6), np.float32), np.zeros((9, 2), np.int32))
    (tmp_path / "out").mkdir()
    run(MmapSettings(features=folder), inputs, tmp_path / "out", Quiet())
    assert Store(tmp_path / "out").slide_ids == ["a", "b", "c"]


def test_files_without_places_beside_others_are_named_left_out_or_taken_as_asked(folder: Path, tmp_path: Path) -> None:
    put(folder, "d", np.ones((4, 6), np.float32))
    with pytest.raises(ArtifactError, match=r"1 of 4.*d\.h5: no coordinates, but 3.*a\.h5.*allow_missing"):
        build(folder, tmp_path / "refused")
    assert build(folder, tmp_path / "less", allow_missing=True).metrics["left_out"] == 1
    assert Store(tmp_path / "less").slide_ids == ["a", "b", "c"]
    for mode in ("copy", "adopt"):
        build(folder, tmp_path / mode, coords=False, mode=mode, dtype="float32", max_instances=100)
        check(tmp_path / mode)
        store = Store(tmp_path / mode)
        assert store.index.lengths.tolist() == [30, 100, 7, 4]
        assert [store.coords(i) for i in range(4)] == [None] * 4
        assert (store.features(3) == 1).all()


@pytest.mark.parametrize("cap", [None, 70])
@pytest.mark.parametrize("how", [{}, {"chunks": (1, 6)}, {"chunks": (7, 4)}, {"compression": "gzip"}])
def test_every_layout_gives_the_same_store(
    folder: Path, tmp_path: Path, how: dict[str, Any], cap: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_rows, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(hdf5_rows, "TILES_BYTES", 1000)
    build(folder, tmp_path / "plain", max_instances=cap)
    for path in (folder).iterdir():
        with h5py.File(path) as file:
            features, coords = file["features"][()], file["coords"][()]
        with h5py.File(path, "w") as file:
            file.create_dataset("features", data=features, **how)
            file["coords"] = coords
    build(folder, tmp_path / "other", max_instances=cap)
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_faults_are_counted_over_all_blocks(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_rows, "BLOCK_BYTES", 100)
    monkeypatch.setattr(hdf5_rows, "TILES_BYTES", 100)
    features = np.ones((300, 6), np.float32)
    features[[40, 41, 250], [1, 2, 3]] = np.nan
    put(folder, "d", features, np.zeros((300, 2), np.int32))
    for cap in (None, 5):
        with pytest.raises(ArtifactError, match="3 of 300 patches, first at row 40"):
            build(folder, tmp_path / f"out{cap}", max_instances=cap)


def test_bfloat16_keeps_eight_bits_and_reads_as_numbers(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "out", dtype="bfloat16")
    check(tmp_path / "out")
    store = Store(tmp_path / "out")
    for i, name in enumerate("abc"):
        with h5py.File(folder / f"{name}.h5") as file:
            values = file["features"][:]
        assert store.stored(i).dtype == np.uint16
        assert store.features(i).dtype == np.float32
        assert np.allclose(store.features(i), values, rtol=2**-8, atol=0)
        assert np.array_equal(store.features(i)[:, :2], values[:, :2])


def test_a_value_that_bfloat16_cannot_hold_is_refused(folder: Path, tmp_path: Path) -> None:
    features = np.ones((4, 6), np.float32)
    features[2, 3] = np.finfo(np.float32).max
    put(folder, "d", features, np.zeros((4, 2), np.int32))
    with pytest.raises(ArtifactError, match=r"d\.h5.*overflow.*bfloat16.*float32"):
        build(folder, tmp_path / "out", dtype="bfloat16")
    features[2, 3] = np.nan
    put(folder, "d", features, np.zeros((4, 2), np.int32))
    with pytest.raises(ArtifactError, match=r"d\.h5.*NaN.*row 2"):
        build(folder, tmp_path / "again", dtype="bfloat16")


def test_pictures_of_what_a_cap_kept_are_drawn_by_request_and_change_nothing_else(folder: Path, tmp_path: Path) -> None:
    for name, wanted in (("plain", False), ("drawn", True), ("again", True)):
        build(folder, tmp_path / name, max_instances=20, coverage_thumbnails=wanted)
    pictures = sorted(path.name for path in (tmp_path / "drawn/coverage_qc").iterdir())
    assert pictures == ["a.png", "b.png"]
    assert not (tmp_path / "plain/coverage_qc").exists()
    for name in pictures:
        one, other = (tmp_path / which / "coverage_qc" / name for which in ("drawn", "again"))
        assert one.read_bytes() == other.read_bytes()
    assert digest_content(tmp_path / "plain") == digest_content(tmp_path / "drawn")
    check(tmp_path / "drawn")
