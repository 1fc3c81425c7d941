"""Building the store, compared with reading by h5py and with copying the same files."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from oceanpath.bench.cohort import LAYOUTS, bag_lengths, write_cohort
from oceanpath.bench.rounds import Measurement, measure
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

COPY_BLOCK = 4 << 20
H5PY_ROWS = 4096


def bench_store(scratch: Path, case: str, slides: int, median: int, dim: int, rounds: int) -> list[Measurement]:
    """Rows for one case, ``<layout>/<dtype>``: h5py, a plain copy (the limit), and the store with 1 and 2 threads.

    A compressed layout has another limit: decompressing its chunks in memory.
    """
    layout, dtype = case.split("/")
    lengths = bag_lengths(slides, median)
    source, out = scratch / "features", scratch / "store"
    write_cohort(source, layout, lengths, dim, dtype)

    def fresh() -> Path:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        return out

    def build(workers: int) -> None:
        run(MmapSettings(features=source, workers=workers), Inputs(), fresh(), Quiet())

    methods = {
        "h5py": lambda: with_h5py(source, fresh()),
        "copy of the files": lambda: plain_copy(source, fresh()),
        "store, 1 thread": lambda: build(1),
        "store, 2 threads": lambda: build(2),
    }
    if "compression" in LAYOUTS[layout]["features"]:
        chunks = [stored_chunks(path) for path in sorted(source.iterdir())]
        methods["decompression only, 2 threads"] = lambda: inflate(chunks, 2)
    gb = int(lengths.sum()) * dim * np.dtype(dtype).itemsize / 1e9
    try:
        return measure(case, methods, gb, rounds, baseline="h5py", limit="copy of the files")
    finally:
        shutil.rmtree(source)
        shutil.rmtree(out, ignore_errors=True)


def with_h5py(source: Path, out: Path) -> None:
    """Read all slides with h5py in blocks, and write them as float16 to one file, without digests or checks."""
    with (out / "features.bin").open("wb", buffering=0) as target:
        for path in sorted(source.iterdir()):
            with h5py.File(path) as file:
                features = file["features"]
                for start in range(0, len(features), H5PY_ROWS):
                    target.write(features[start : start + H5PY_ROWS].astype(np.float16, copy=False).data.cast("B"))
                file["coords"][()]


def plain_copy(source: Path, out: Path) -> None:
    """Copy all files into one file, with one thread, 4 MiB at a time."""
    block = memoryview(bytearray(COPY_BLOCK))
    with (out / "all").open("wb", buffering=0) as target:
        for path in sorted(source.iterdir()):
            with path.open("rb", buffering=0) as file:
                while got := file.readinto(block):
                    target.write(block[:got])


def stored_chunks(path: Path) -> list[tuple[bytes, int]]:
    """The compressed chunks of a slide's features, each with its decompressed size."""
    with h5py.File(path) as file:
        features = file["features"]
        size, kept = int(np.prod(features.chunks)) * features.dtype.itemsize, features.id
        return [
            (kept.read_direct_chunk(kept.get_chunk_info(k).chunk_offset)[1], size) for k in range(kept.get_num_chunks())
        ]


def inflate(slides: list[list[tuple[bytes, int]]], threads: int) -> None:
    """Decompress every chunk of every slide, one slide per thread at a time."""
    from imagecodecs import deflate_decode

    def inflate_slide(chunks: list[tuple[bytes, int]]) -> None:
        for stored, size in chunks:
            deflate_decode(stored, out=size)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(inflate_slide, slides))
