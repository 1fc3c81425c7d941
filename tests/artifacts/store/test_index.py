"""The index of a store: opened without being read, searched without being loaded."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.artifacts.store.index import INDEX, Index
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.store.writer import StoreLayout
from oceanpath.errors import ArtifactError


def index_of(names: list[str], lengths: np.ndarray, dim: int = 8) -> Index:
    layout = StoreLayout.of(lengths.tolist(), dim, "float16", True, 1 << 33)
    return layout.index(names, [b"0" * 32] * len(names), lengths.tolist(), [512.0] * len(names), "toy")


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda t: "\0" not in t), min_size=1, unique=True), st.text())
def test_every_id_is_found_at_its_place_and_no_other(names: list[str], other: str) -> None:
    ordered = sorted(names)
    index = index_of(ordered, np.ones(len(names), np.int64))
    assert [index.find(name) for name in ordered] == list(range(len(names)))
    assert [index.slide_id(i) for i in range(len(names))] == ordered
    if other not in names and not other.endswith("\0"):
        assert index.find(other) is None
    assert index.find(ordered[-1] + "x" * 50) is None


def test_the_content_digest_is_of_what_readers_see(tmp_path: Path) -> None:
    index = index_of(["a", "b"], np.array([3, 4]))
    moved = dataclasses.replace(index, chunk_ids=index.chunk_ids + 1, feature_offsets=index.feature_offsets + 4096)
    assert moved.content_digest() == index.content_digest()
    for change in ({"lengths": np.array([3, 5])}, {"encoder": "other"}, {"digests": np.array([b"1" * 32, b"0" * 32])}):
        assert dataclasses.replace(index, **change).content_digest() != index.content_digest()
    index.save(tmp_path)
    assert Index.load(tmp_path).content_digest() == index.content_digest()


def test_a_million_slides_open_like_a_hundred_and_take_memory_only_where_used(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    for folder, count in ((small, 100), (large, 1_000_000)):
        folder.mkdir()
        names = [f"TCGA-{number:08d}" for number in range(count)]
        index_of(names, 3000 + np.arange(count) % 100).save(folder)
    times: dict[Path, float] = {}
    for folder in (small, large) * 10:
        begun = time.perf_counter()
        Store(folder)
        times[folder] = min(times.get(folder, 1.0), time.perf_counter() - begun)
    print(f"\nopening an index: 100 slides {times[small] * 1e3:.2f} ms, 1,000,000 slides {times[large] * 1e3:.2f} ms")
    assert times[large] < 3 * times[small] + 1e-3
    tracemalloc.start()
    store = Store(large)
    opened = tracemalloc.get_traced_memory()[0]
    used = [store.number(f"TCGA-{i:08d}") for i in range(0, 1_000_000, 1000)]
    patches = sum(store.length(i) for i in used)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"held: {opened} B opened, {(held - opened) / len(used):.0f} B a used slide")
    assert patches == 3_000_000
    assert opened < 200_000
    assert held - opened < 100 * len(used)


def test_two_million_slides_of_one_patch_are_laid_out_at_once() -> None:
    layout = StoreLayout.of([1] * 2_000_000, 1024, "float16", True, 1 << 30)
    assert layout.chunk_sizes("features").sum() == 2_000_000 * 4096
    assert layout.chunk_sizes("features").max() <= 1 << 30
    assert layout.chunk_sizes("coords").sum() == 2_000_000 * 64


def test_a_flipped_byte_of_the_index_is_found(tmp_path: Path) -> None:
    index_of(["a", "b"], np.array([3, 4])).save(tmp_path)
    raw = bytearray((tmp_path / INDEX).read_bytes())
    raw[raw.index(np.array([3, 4]).tobytes())] ^= 1
    (tmp_path / INDEX).write_bytes(raw)
    with pytest.raises(ArtifactError, match="lengths"):
        Index.check(tmp_path)
