"""Benchmarks process the same bytes with every method, and measure memory above that of the process."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.bench import rounds
from oceanpath.bench.cohort import LAYOUTS, bag_lengths, write_cohort
from oceanpath.bench.loading import bench_loading
from oceanpath.bench.rounds import as_table, measure, peak_mb
from oceanpath.bench.store import bench_store


def test_speeds_are_ratios_of_one_run() -> None:
    ways = {"slow": lambda: time.sleep(0.06), "fast": lambda: time.sleep(0.01)}
    rows = {row.way: row for row in measure("x", ways, 1.0, 3, baseline="slow", limit="fast", memory=False)}
    assert rows["slow"].times_baseline == rows["fast"].of_limit == 1
    assert rows["fast"].times_baseline > 2
    assert rows["slow"].of_limit < 0.5
    assert as_table(list(rows.values())).count("\n") == 3


def test_peak_memory_excludes_that_of_the_process() -> None:
    held = np.ones(20 << 20, np.uint8)

    def hold() -> None:
        _more = np.ones(40 << 20, np.uint8)
        time.sleep(2)  # time enough to be seen, on a busy machine too

    assert 25 < peak_mb(hold) < 60
    assert peak_mb(lambda: int(held[::4096].sum())) < 10


@pytest.mark.parametrize("layout", LAYOUTS)
def test_cohorts_have_the_layouts_of_the_tools(tmp_path: Path, layout: str) -> None:
    lengths = bag_lengths(3, 50)
    write_cohort(tmp_path / "f", layout, lengths, 8, "float16")
    paths = sorted((tmp_path / "f").iterdir())
    assert len(paths) == 3
    with h5py.File(paths[0]) as file:
        features = file["features"]
        assert features.shape == (lengths[0], 8)
        chunks = {"trident": (1, 8), "clam": (min(32, lengths[0]), 8), "contiguous": None}
        assert layout == "gzip" or features.chunks == chunks[layout]
        assert features.compression == ("gzip" if layout == "gzip" else None)


def test_every_method_runs_and_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "TURN", 0.0)
    store = bench_store(tmp_path, "trident/float32", 2, 20, 8, 1)
    assert [row.way for row in store] == ["h5py", "copy of the files", "store, 1 thread", "store, 2 threads"]
    packed = bench_store(tmp_path, "gzip/float16", 2, 20, 8, 1)
    assert [row.way for row in packed][4:] == ["decompression only, 2 threads"]
    for cap in (None, 10):
        rows = bench_loading(tmp_path, cap, 3, 20, 8, 1)
        assert {"packed, prefetched", "memory read"} <= {row.way for row in rows}
        assert all(row.seconds > 0 for row in rows)
    assert not list(tmp_path.iterdir())
