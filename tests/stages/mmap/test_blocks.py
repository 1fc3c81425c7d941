"""What is too large, and a disk that is too small."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

MILLION = 1_000_000


@pytest.mark.parametrize("mode", ["copy", "adopt"])
@pytest.mark.parametrize("chunks", [None, (50_000, 128)])
def test_a_slide_of_a_million_patches_takes_bounded_memory(
    tmp_path: Path, mode: str, chunks: tuple[int, int] | None
) -> None:
    """Its features are 256 MB, its coordinates 8 MB."""
    (tmp_path / "features").mkdir()
    with h5py.File(tmp_path / "features" / "large.h5", "w") as file:
        features = file.create_dataset("features", (MILLION, 128), np.float16, chunks=chunks)
        block = np.ones((50_000, 128), np.float16)
        for start in range(0, MILLION, len(block)):
            features[start : start + len(block)] = block
        places = np.arange(MILLION, dtype=np.int32)
        file["coords"] = np.stack([places % 1000, places // 1000], axis=1)
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    run(MmapSettings(features=tmp_path / "features", mode=mode), Inputs(), tmp_path / "out", Quiet())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"\n{mode} {chunks}: peak {peak / 2**20:.0f} MB for 256 MB of features")
    assert peak < 100 * 2**20
    store = Store(tmp_path / "out")
    assert store.length(0) == MILLION
    assert store.features(0)[-1].tolist() == [1.0] * 128
