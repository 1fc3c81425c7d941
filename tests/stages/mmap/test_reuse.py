"""A store that grows writes only what is new, and reads as one that was built in one go."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features.files import scan_features
from oceanpath.artifacts.store.reader import Store, check, digest_content
from oceanpath.artifacts.store.source_files import file_digest
from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.pipeline.stage import Inputs, Quiet, Summary
from oceanpath.stages.mmap import cohort, reuse
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

from ...narrowing import required
from ...recording import recorded

DIM = 4


def put(folder: Path, name: str, seed: int, n: int = 20, dim: int = DIM, coords: bool = True) -> None:
    path = folder / f"{name}.h5"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.unlink(missing_ok=True)
    random = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file["features"] = random.standard_normal((n, dim)).astype(np.float16)
        if coords:
            file["coords"] = random.integers(0, 9999, (n, 2)).astype(np.int32)


def build(folder: Path, out: Path, earlier: tuple[Path, ...] = (), **keys: object) -> Summary:
    out.mkdir()
    told = {path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*.h5")}
    inputs = Inputs(files={"features": told}, earlier=earlier)
    return run(MmapSettings(features=folder, **keys), inputs, out, Quiet())


def written(out: Path) -> int:
    """Bytes of features that this build wrote itself."""
    return sum(path.stat().st_size for path in out.glob("features_*.bin") if path.stat().st_nlink == 1)


def reads_as(grown: Path, whole: Path) -> bool:
    ours, theirs = Store(grown), Store(whole)
    bags = all(
        ours.features(i).tobytes() == theirs.features(i).tobytes()
        and np.array_equal(required(ours.coords(i)), required(theirs.coords(i)))
        for i in range(len(theirs))
    )
    return ours.slide_ids == theirs.slide_ids and bags and digest_content(grown) == digest_content(whole)


COHORTS = st.lists(
    st.dictionaries(st.sampled_from(["a", "bb", "c.1", "d", "long_name"]), st.integers(0, 2), min_size=1),
    min_size=2,
    max_size=4,
)


@given(
    COHORTS,
    st.sampled_from([1e-6, 1.0]),
    st.sampled_from(["copy", "adopt"]),
    st.sampled_from([None, 12]),
    st.sampled_from(["float16", "bfloat16"]),
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_any_history_reads_as_a_build_in_one_go(tmp_path_factory, history, chunk_gb, mode, cap, dtype) -> None:
    top = tmp_path_factory.mktemp("history")
    keys = {"chunk_gb": chunk_gb, "mode": mode, "max_instances": cap, "dtype": dtype}
    stores: tuple[Path, ...] = ()
    for number, slides in enumerate(history):
        shutil.rmtree(top / "features", ignore_errors=True)
        for name, version in slides.items():
            put(top / "features", name, version, 10 + 3 * version)
        stores = (top / f"store_{number}", *stores)
        grown = build(top / "features", stores[0], stores[1:], **keys)
        whole = build(top / "features", top / f"whole_{number}", **keys)
        assert grown.metrics == whole.metrics
        check(stores[0])
        assert reads_as(stores[0], top / f"whole_{number}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight slides, of which a store was built: one page of features each."""
    for i in range(8):
        put(tmp_path / "features", f"slide_{i}", i)
    build(tmp_path / "features", tmp_path / "first")
    return tmp_path / "features"


def test_an_added_slide_alone_is_written(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "slide_35", 35)
    opened: list[str] = []
    scan = recorded(scan_features, lambda path, *key, **level: opened.append(path.name))
    monkeypatch.setattr(cohort, "scan_features", scan)
    build(folder, tmp_path / "second", (tmp_path / "first",))
    assert set(opened) == {"slide_35.h5"}
    assert written(tmp_path / "second") == 4096
    monkeypatch.undo()
    build(folder, tmp_path / "whole")
    assert reads_as(tmp_path / "second", tmp_path / "whole")


def test_a_replaced_and_a_removed_slide_leave_the_rest_alone(folder: Path, tmp_path: Path) -> None:
    put(folder, "slide_3", 99)
    (folder / "slide_5.h5").unlink()
    build(folder, tmp_path / "second", (tmp_path / "first",))
    assert written(tmp_path / "second") == 4096
    before = Store(tmp_path / "first")
    assert len(before) == 8
    before.verify(3)
    (folder / "slide_6.h5").unlink()
    build(folder, tmp_path / "third", (tmp_path / "second", tmp_path / "first"))
    assert written(tmp_path / "third") == 0
    build(folder, tmp_path / "whole")
    assert reads_as(tmp_path / "third", tmp_path / "whole")


def test_a_chunk_of_which_most_is_dead_is_not_carried_on(folder: Path, tmp_path: Path) -> None:
    for i in range(5):
        (folder / f"slide_{i}.h5").unlink()
    build(folder, tmp_path / "second", (tmp_path / "first",))
    assert written(tmp_path / "second") == 3 * 4096


def test_many_small_chunks_become_one(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "SMALL_CHUNKS", 2)
    earlier: tuple[Path, ...] = (tmp_path / "first",)
    sizes = []
    for i in range(8, 12):
        put(folder, f"slide_{i}", i)
        earlier = (tmp_path / f"store_{i}", *earlier)
        build(folder, earlier[0], earlier[1:])
        sizes.append(len(list(earlier[0].glob("features_*.bin"))))
        check(earlier[0])
    assert max(sizes) == 3
    build(folder, tmp_path / "whole")
    assert reads_as(earlier[0], tmp_path / "whole")


@pytest.mark.parametrize("keys", [{"dtype": "float32"}, {"max_instances": 10}, {"mode": "adopt"}])
def test_other_settings_take_nothing_over(folder: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    build(folder, tmp_path / "second", (tmp_path / "first",), **keys)
    assert not any(path.stat().st_nlink > 1 for path in (tmp_path / "second").glob("*.bin"))


def test_a_damaged_earlier_store_is_passed_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "first" / "source_arrays.npz").write_bytes(b"nothing")
    build(folder, tmp_path / "second", (tmp_path / "first", tmp_path / "never"))
    assert written(tmp_path / "second") == 8 * 4096


def test_new_files_that_do_not_fit_are_refused_as_in_one_go(folder: Path, tmp_path: Path) -> None:
    put(folder, "wide", 1, dim=DIM + 1)
    with pytest.raises(ArtifactError, match=r"1 of 9 feature files[\s\S]*wide\.h5: wrong feature dimension"):
        build(folder, tmp_path / "second", (tmp_path / "first",))
    (folder / "wide.h5").unlink()
    put(folder, "placeless", 1, coords=False)
    with pytest.raises(
        ArtifactError,
        match=r"1 of 9[\s\S]*placeless\.h5: no coordinates, but 8 others have them",
    ):
        build(folder, tmp_path / "third", (tmp_path / "first",))
    (folder / "placeless.h5").unlink()
    put(folder / "more", "slide_3", 1)
    with pytest.raises(ExperimentError, match=r"two feature files have the same slide id.*slide_3"):
        build(folder, tmp_path / "fourth", (tmp_path / "first",))


def test_many_new_files_of_another_kind_decide_for_all(tmp_path: Path) -> None:
    for i in range(2):
        put(tmp_path / "features", f"old_{i}", i, coords=False)
    build(tmp_path / "features", tmp_path / "first")
    for i in range(3):
        put(tmp_path / "features", f"new_{i}", i, dim=DIM + 1)
    build(tmp_path / "features", tmp_path / "second", (tmp_path / "first",), allow_missing=True)
    assert Store(tmp_path / "second").slide_ids == ["new_0", "new_1", "new_2"]


def test_adopted_slides_are_taken_over_with_their_stamps(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "one", mode="adopt")
    put(folder, "slide_9", 9)
    build(folder, tmp_path / "two", (tmp_path / "one",), mode="adopt")
    store = Store(tmp_path / "two")
    assert (store.index.feature_offsets < 0).all()
    state = (folder / "slide_1.h5").stat()
    with h5py.File(folder / "slide_1.h5", "r+") as file:
        file["features"][0] = 0
    os.utime(folder / "slide_1.h5", ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    with pytest.raises(ArtifactError, match=r"slide_1\.h5.*changed since"):
        store.features(store.number("slide_1"))


def test_adding_one_slide_costs_little_beside_building_all(tmp_path: Path) -> None:
    """OCEANPATH_SLIDES says how many there are; the figures are printed."""
    count = int(os.environ.get("OCEANPATH_SLIDES", "600"))
    for i in range(count + 1):
        put(tmp_path / "features", f"slide_{i:05d}", i)
    last, beside = tmp_path / "features" / f"slide_{count:05d}.h5", tmp_path / "held.h5"
    last.rename(beside)
    whole, adopted = timed(tmp_path, "whole"), timed(tmp_path, "adopted", mode="adopt")
    beside.rename(last)
    added = min(timed(tmp_path, f"added_{turn}", (tmp_path / "whole",)) for turn in range(3))
    print(f"\n{count} slides: built in {whole / count * 1e3:.2f} ms a slide, adopted in {adopted / count * 1e3:.2f} ms")
    print(f"adding one slide to {count}: {added * 1e3:.0f} ms")
    assert added < whole / 4


def timed(top: Path, name: str, earlier: tuple[Path, ...] = (), **keys: object) -> float:
    """Seconds of the store operation alone, with the digests of all files told, as the pipeline tells them."""
    told = {path.name: file_digest(path) for path in (top / "features").iterdir()}
    (top / name).mkdir()
    begun = time.perf_counter()
    run(
        MmapSettings(features=top / "features", **keys),
        Inputs(files={"features": told}, earlier=earlier),
        top / name,
        Quiet(),
    )
    return time.perf_counter() - begun
