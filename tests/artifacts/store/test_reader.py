"""The store gives back what was put in, and notices when it cannot."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.store.reader import COORD_ALIGN, PAGE, Index, Store, check
from oceanpath.artifacts.store.writer import StoreLayout, StoreWriter
from oceanpath.errors import ArtifactError

from ...narrowing import required

Bag = tuple[np.ndarray, np.ndarray | None]


def write(
    out: Path, lengths: list[int], dim: int, dtype: str, *, coords: bool, chunk_bytes: int = 1 << 30
) -> list[Bag]:
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(len(lengths) * 1000 + dim)
    bags = [random.standard_normal((n, dim)).astype(dtype) for n in lengths]
    places = [random.integers(0, 99999, (n, 2)).astype(np.int32) if coords else None for n in lengths]
    layout = StoreLayout.of(lengths, dim, dtype, coords, chunk_bytes)
    writer = StoreWriter(out, layout)
    order = random.permutation(len(lengths))  # any order gives the same bytes
    digests = {int(i): writer.put(int(i), bags[i], places[i]).encode() for i in order}
    writer.close()
    names, told = [f"slide_{i:03d}" for i in range(len(lengths))], [digests[i] for i in range(len(lengths))]
    layout.index(names, told, lengths, [512.0] * len(lengths), "toy").save(out)
    return list(zip(bags, places, strict=True))


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=6),
    st.integers(1, 40),
    st.sampled_from(["float16", "float32"]),
    st.booleans(),
    st.sampled_from([1, 20_000, 1 << 30]),
)
@settings(deadline=None, max_examples=40)
def test_what_was_put_in_comes_back(tmp_path_factory, lengths, dim, dtype, coords, chunk_bytes) -> None:
    out = tmp_path_factory.mktemp("store")
    bags = write(out, lengths, dim, dtype, coords=coords, chunk_bytes=chunk_bytes)
    check(out)
    store = Store(out)
    assert (len(store), store.dim, store.dtype, store.has_coords) == (len(lengths), dim, np.dtype(dtype), coords)
    for i, (features, places) in enumerate(bags):
        assert np.array_equal(store.features(i), features)
        assert not store.features(i).flags.writeable
        assert store.number(store.slide_ids[i]) == i
        if coords:
            assert np.array_equal(required(store.coords(i)), required(places))
        else:
            assert store.coords(i) is None


def test_bags_start_on_pages_and_never_cross_a_chunk(tmp_path: Path) -> None:
    write(tmp_path, [100, 200, 300, 50], 16, "float16", coords=True, chunk_bytes=12_000)
    index = Index.load(tmp_path)
    assert (index.feature_offsets % PAGE == 0).all()
    assert (index.coord_offsets % COORD_ALIGN == 0).all()
    assert index.chunk_ids.max() > 0
    for i in range(4):
        size = (tmp_path / f"features_{index.chunk_ids[i]:03d}.bin").stat().st_size
        assert index.feature_offsets[i] + index.lengths[i] * 32 <= size


def test_a_store_travels_to_another_process_as_its_path(tmp_path: Path) -> None:
    write(tmp_path, [3, 4], 5, "float16", coords=False)
    store = Store(tmp_path)
    store.features(0)
    text = pickle.dumps(store)
    assert len(text) < 1000
    assert np.array_equal(pickle.loads(text).features(1), store.features(1))


def test_the_same_bags_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, [30, 40], 8, "float16", coords=True)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("damage", ["flip", "short", "index", "gone", "pickle"])
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    write(tmp_path, [30, 40], 8, "float16", coords=True)
    chunk, index = tmp_path / "features_000.bin", tmp_path / "index_arrays.npz"
    if damage == "flip":
        raw = bytearray(chunk.read_bytes())
        raw[5] ^= 1
        chunk.write_bytes(raw)
    elif damage == "short":
        chunk.write_bytes(chunk.read_bytes()[:PAGE])
    elif damage == "index":
        index.write_bytes(index.read_bytes()[:200])
    elif damage == "gone":
        chunk.unlink()
    else:
        np.savez(index, slide_ids=np.array(["a"], dtype=object))
    with pytest.raises(ArtifactError):
        check(tmp_path)


def test_an_unknown_slide_is_named(tmp_path: Path) -> None:
    write(tmp_path, [3], 2, "float16", coords=False)
    with pytest.raises(ArtifactError, match="nobody"):
        Store(tmp_path).number("nobody")
