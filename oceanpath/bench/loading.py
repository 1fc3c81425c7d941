"""Loading an epoch, compared with padded float32 batches and with memory bandwidth; every byte is read once."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.dataset import Bag, BagDataset, collate
from oceanpath.bags.packed import PackedLoader
from oceanpath.bench.cohort import bag_lengths, write_cohort
from oceanpath.bench.rounds import Measurement, measure
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run

BATCH = 16


def bench_loading(scratch: Path, cap: int | None, slides: int, median: int, dim: int, rounds: int) -> list[Measurement]:
    """Rows for whole bags (`cap` None) or for `cap` random rows per bag; the limit is one pass over as much memory."""
    source, out = scratch / "features", scratch / "store"
    write_cohort(source, "trident", bag_lengths(slides, median), dim, "float16")
    out.mkdir()
    run(MmapSettings(features=source), Inputs(), out, Quiet())
    store = Store(out, check=False)
    dataset = BagDataset(store, range(len(store)), max_patches=cap)
    lengths = [dataset.length(position) for position in range(len(dataset))]
    sampler = BatchSampler(lengths, Fixed(), BATCH, seed=0)
    padded = DataLoader(dataset, batch_sampler=sampler, collate_fn=padded_float32)
    ragged = DataLoader(dataset, batch_sampler=sampler, collate_fn=collate)
    packed = PackedLoader(dataset, sampler)
    nbytes = sum(lengths) * dim * 2
    memory = np.ones(nbytes // 8, np.int64)
    methods = {
        "padded float32 DataLoader": lambda: consume(padded),
        "one h5py file per slide": lambda: consume(h5_rows(path, cap) for path in sorted(source.iterdir())),
        "ragged DataLoader": lambda: consume(batch.features for batch in ragged),
        "packed, prefetched": lambda: consume(batch.features for batch in packed),
        "packed, verified on first read": lambda: consume(batch.features for batch in _unread(out, cap, sampler)),
        "views of the memory map": lambda: consume(_view(store, number) for number in range(len(store))),
        "memory read": lambda: int(memory.sum()),
    }
    if cap is not None:
        del methods["views of the memory map"]
    case = "whole bags" if cap is None else f"{cap} patches per bag"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable.*")
            return measure(
                case, methods, nbytes / 1e9, rounds, baseline="padded float32 DataLoader", limit="memory read"
            )
    finally:
        shutil.rmtree(source)
        shutil.rmtree(out)


def consume(tensors: Iterable[Tensor]) -> int:
    """Read every byte once, at memory bandwidth, so that lazy loading has no advantage."""
    return sum(int(tensor.numpy().reshape(-1).view(np.int64).sum()) for tensor in tensors)


def padded_float32(bags: Sequence[Bag]) -> Tensor:
    """The usual method: [B, N, D] float32 in new memory, padded with zeros."""
    padded = torch.zeros(len(bags), max(len(bag.features) for bag in bags), bags[0].features.shape[1])
    for row, bag in zip(padded, bags, strict=True):
        row[: len(bag.features)] = torch.from_numpy(np.array(bag.features)).float()
    return padded


def h5_rows(path: Path, cap: int | None) -> Tensor:
    """One slide read from its own file, then capped."""
    with h5py.File(path) as file:
        rows: NDArray[np.float16] = file["features"][()]
    return torch.from_numpy(rows[:cap])


def _unread(path: Path, cap: int | None, sampler: BatchSampler) -> PackedLoader:
    """The batches of a store whose bags are not verified yet, as in the first epoch of a fold."""
    store = Store(path)
    return PackedLoader(BagDataset(store, range(len(store)), max_patches=cap), sampler)


def _view(store: Store, number: int) -> Tensor:
    return torch.from_numpy(store.features(number))
