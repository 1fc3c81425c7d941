"""Location of the bags of a store. It changes the speed of loading, never the content of a batch.

mmap   in the files: read through the system's page cache, which all processes of a machine share
ram    in memory of this process, read once: for network disks, and for machines with other users
gpu    in the memory of the device: batches are gathered there, and only row numbers are transferred
auto   `gpu` if the device is a CUDA GPU and the store takes at most `SHARE` of its free memory, otherwise `mmap`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from oceanpath.artifacts.store.reader import COORD_BYTES, Store
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.loader import Loader
from oceanpath.bags.packed import PackedLoader
from oceanpath.bags.resident import GatherLoader, ResidentStore
from oceanpath.errors import ExperimentError

SHARE = 0.5
"""Models, gradients and activations need the rest, and folds trained in parallel share a device."""
WHERE = "[runtime] placement"


def place(store: Store, placement: str, device: torch.device) -> Store:
    """The same store with its bags at `placement`, for computations on `device`.

    Raises: ExperimentError: ``gpu`` without a GPU, or the store is larger than the free memory.
    """
    row = store.dim * store.dtype.itemsize + (COORD_BYTES if store.has_coords else 0)
    size = int(store.index.lengths.sum()) * row
    if placement == "auto":
        fits = device.type == "cuda" and size <= SHARE * free_bytes(device)
        return ResidentStore(store, device) if fits else store
    if placement == "mmap":
        return store
    if placement == "gpu" and device.type == "cpu":
        raise ExperimentError("there is no GPU for the store", where=WHERE, got="gpu", do="Set it to auto.")
    target = device if placement == "gpu" else torch.device("cpu")
    if size > (free := free_bytes(target)):
        got = f"{size / 1e9:.1f} GB into {free / 1e9:.1f} GB"
        raise ExperimentError("the store does not fit", where=WHERE, got=got, do="Set it to mmap.")
    return ResidentStore(store, target)


def loader_of(dataset: BagDataset, batches: Iterable[Sequence[Draw]]) -> Loader:
    """The loader of a dataset for the location of its bags."""
    store = dataset.store
    if isinstance(store, ResidentStore) and store.device.type != "cpu":
        return GatherLoader(dataset, store, batches)
    return PackedLoader(dataset, batches)


def free_bytes(device: torch.device) -> int:
    """Free bytes of memory, of a CUDA device or of this machine."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    meminfo = Path("/proc/meminfo")
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines()) if meminfo.is_file() else {}
    kilobytes = lines.get("MemAvailable", "").split()
    return int(kilobytes[0]) << 10 if kilobytes else 1 << 62  # unknown: rely on the user's setting
