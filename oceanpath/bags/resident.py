"""A store in memory, and batches gathered on its device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.buffers import ReusedBuffers
from oceanpath.bags.dataset import BagDataset, tensor_of
from oceanpath.bags.loader import Loader


class ResidentStore(Store):
    """A store that was read once into the memory of `device`; on the CPU, reads use this memory instead of the files.

    A process that receives one by pickle opens the files instead.
    """

    def __init__(self, store: Store, device: torch.device | str = "cpu") -> None:
        super().__init__(store.path, features=store.adopted_root, check=store.checks)
        self.store, self.device, self.index = store, torch.device(device), store.index
        self.starts: list[int] = np.concatenate([[0], np.cumsum(self.index.lengths)]).tolist()
        """Row of the resident tensors at which each bag starts."""
        self.resident_features = self._empty(self.dim, tensor_of(np.empty(0, self.dtype), store).dtype)
        """[T, D] on `device`: all bags, in the order of the store."""
        self.resident_coords = self._empty(2, torch.int32) if self.has_coords else None
        """[T, 2] on `device`, or None if the store has none."""
        memory = ReusedBuffers()
        store.expect(range(len(self)))
        for i, (first, last) in enumerate(pairwise(self.starts)):
            bag = memory.array((last - first, self.dim), self.dtype)
            store.read_features(i, bag.data.cast("B"))
            self.resident_features[first:last].copy_(tensor_of(bag, store))
            if self.resident_coords is not None:
                self.resident_coords[first:last].copy_(torch.from_numpy(np.array(store.coords(i))))

    def __reduce__(self) -> Any:
        return _identity, (self.store,)

    def stored(self, i: int) -> NDArray[Any]:
        """See `Store.stored`."""
        if self.device.type != "cpu":
            return self.store.stored(i)
        resident = self.resident_features[self.starts[i] : self.starts[i + 1]]
        view = (resident.view(torch.uint16) if resident.dtype == torch.bfloat16 else resident).numpy()
        view.flags.writeable = False
        return view

    def coords(self, i: int) -> NDArray[np.int32] | None:
        """See `Store.coords`."""
        if self.device.type != "cpu" or self.resident_coords is None:
            return self.store.coords(i)
        view: NDArray[np.int32] = self.resident_coords.numpy()[self.starts[i] : self.starts[i + 1]]
        view.flags.writeable = False
        return view

    def read_features(self, i: int, out: memoryview, start: int = 0) -> None:
        """See `Store.read_features`."""
        if self.device.type != "cpu":
            self.store.read_features(i, out, start)
        else:
            resident = self.stored(i).reshape(-1).view(np.uint8)
            np.copyto(np.frombuffer(out, np.uint8), resident[start : start + len(out)])

    def _empty(self, width: int, dtype: torch.dtype) -> Tensor:
        rows = self.starts[-1]
        if self.device.type == "cpu":
            bits = ReusedBuffers().array((rows, width * dtype.itemsize), np.dtype(np.uint8))
            return torch.from_numpy(bits).view(dtype)
        return torch.empty((rows, width), dtype=dtype, device=self.device)


class GatherLoader(Loader):
    """Batches gathered on the device of the store; only row numbers are transferred.

    They equal those of `PackedLoader`, bit for bit, and stay valid.
    """

    def __init__(self, dataset: BagDataset, store: ResidentStore, batches: Iterable[Sequence[Draw]]) -> None:
        """`store` is the store of the dataset."""
        super().__init__(dataset, batches)
        self.store = store

    def __iter__(self) -> Iterator[Batch]:
        return (self._gather(list(draws)) for draws in self.batches)

    def _gather(self, draws: list[Draw]) -> Batch:
        rows = [self._rows(draw) for draw in draws]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
        at, coords = torch.from_numpy(np.concatenate(rows)).to(self.store.device), self.store.resident_coords
        batch_coords = None if coords is None else coords.index_select(0, at)
        features = self.store.resident_features.index_select(0, at)
        return self._batch(draws, features, torch.from_numpy(offsets), batch_coords).to(self.store.device)

    def _rows(self, draw: Draw) -> NDArray[np.int64]:
        number = self.dataset.numbers[draw.position]
        selected = self.dataset.rows(draw)
        return (np.arange(self.store.length(number)) if selected is None else selected) + self.store.starts[number]


def _identity(store: Store) -> Store:
    return store
