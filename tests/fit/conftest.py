from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.store import Index, Store
from oceanpath.artifacts.store_writer import Layout, StoreWriter


def write_store(path: Path, bags: Mapping[str, np.ndarray], coords: bool = False) -> Store:
    """A store of float16 bags, sorted by name; patch i of a bag lies at (256 i, 512 i)."""
    path.mkdir(parents=True)
    names, dim = sorted(bags), next(iter(bags.values())).shape[1]
    layout = Layout.of([len(bags[name]) for name in names], dim, "float16", coords, chunk_bytes=2**20)
    writer, digests = StoreWriter(path, layout), []
    for i, name in enumerate(names):
        rows = np.arange(len(bags[name]), dtype=np.int32)
        places = np.stack([256 * rows, 512 * rows], axis=1) if coords else None
        digests.append(writer.put(i, bags[name].astype(np.float16), places).encode())
    writer.close()
    Index(
        slide_ids=np.array([name.encode() for name in names]),
        lengths=layout.lengths,
        raw_lengths=layout.lengths,
        chunk_ids=layout.chunk_ids,
        feature_offsets=layout.feature_offsets,
        coord_offsets=layout.coord_offsets,
        digests=np.array(digests),
        patch_px_level0=np.full(len(names), np.nan),
        feature_dim=dim,
        feature_dtype="float16",
        has_coords=coords,
        encoder="random",
    ).save(path)
    return Store(path)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Store]:
    """``make_store(bags, coords=False)``: a store of {slide_id: features [n, D]}."""

    def make(bags: Mapping[str, np.ndarray], coords: bool = False) -> Store:
        return write_store(tmp_path / f"store_{len(list(tmp_path.iterdir()))}", bags, coords)

    return make


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """Twelve slides of 3 to 14 patches; the first feature of the odd ones is larger."""
    random = np.random.default_rng(0)
    bags = {f"slide_{i:02d}": random.normal(size=(3 + i, 6)) for i in range(12)}
    for i, name in enumerate(bags):
        bags[name][:, 0] += 3.0 * (i % 2)
    return make_store(bags, coords=True)
