"""A store whose bags wait in memory, and batches gathered where they are."""

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
    """A store that was read once into the memory of `device`: on the CPU it answers from there, not from its files.

    A process that is sent one opens the files instead.
    """

    def __init__(self, store: Store, device: torch.device | str = "cpu") -> None:
        super().__init__(store.path, features=store.adopted_root, check=store.checks)
        self.store, self.device = store, torch.device(device)
        self.starts: list[int] = np.concatenate([[0], np.cumsum(self.index.lengths)]).tolist()
        """Row of the held tensors at which each bag starts."""
        self.held_features = self._room(self.dim, tensor_of(np.empty(0, self.dtype), store).dtype)
        """[T, D] on `device`: all bags, in the order of the store."""
        self.held_coords = self._room(2, torch.int32) if self.has_coords else None
        """[T, 2] on `device`, or None where the store has none."""
        memory = ReusedBuffers()
        for i, (first, last) in enumerate(pairwise(self.starts)):
            bag = memory.array((last - first, self.dim), self.dtype)
            super().read_features(i, bag.data.cast("B"))
            self.held_features[first:last].copy_(tensor_of(bag, store))
            if self.held_coords is not None:
                self.held_coords[first:last].copy_(torch.from_numpy(np.array(super().coords(i))))

    def __reduce__(self) -> Any:
        return _itself, (self.store,)

    def stored(self, i: int) -> NDArray[Any]:
        """See `Store.stored`."""
        if self.device.type != "cpu":
            return super().stored(i)
        held = self.held_features[self.starts[i] : self.starts[i + 1]]
        found = (held.view(torch.uint16) if held.dtype == torch.bfloat16 else held).numpy()
        found.flags.writeable = False
        return found

    def coords(self, i: int) -> NDArray[np.int32] | None:
        """See `Store.coords`."""
        if self.device.type != "cpu" or self.held_coords is None:
            return super().coords(i)
        found: NDArray[np.int32] = self.held_coords.numpy()[self.starts[i] : self.starts[i + 1]]
        found.flags.writeable = False
        return found

    def read_features(self, i: int, out: memoryview, start: int = 0) -> None:
        """See `Store.read_features`."""
        if self.device.type != "cpu":
            super().read_features(i, out, start)
        else:
            held = self.stored(i).reshape(-1).view(np.uint8)
            np.copyto(np.frombuffer(out, np.uint8), held[start : start + len(out)])

    def _room(self, width: int, dtype: torch.dtype) -> Tensor:
        rows = self.starts[-1]
        if self.device.type == "cpu":
            bits = ReusedBuffers().array((rows, width * dtype.itemsize), np.dtype(np.uint8))
            return torch.from_numpy(bits).view(dtype)
        return torch.empty((rows, width), dtype=dtype, device=self.device)


class GatherLoader(Loader):
    """Batches gathered on the device that holds the store; only row numbers travel there.

    They are what `PackedLoader` delivers, bit for bit, and may be kept.
    """

    def __init__(self, dataset: BagDataset, store: ResidentStore, batches: Iterable[Sequence[Draw]]) -> None:
        """`store` is the one that the dataset is of."""
        super().__init__(dataset, batches)
        self.store = store

    def __iter__(self) -> Iterator[Batch]:
        return (self._gather(list(draws)) for draws in self.batches)

    def _gather(self, draws: list[Draw]) -> Batch:
        rows = [self._rows(draw) for draw in draws]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
        at, coords = torch.from_numpy(np.concatenate(rows)).to(self.store.device), self.store.held_coords
        places = None if coords is None else coords.index_select(0, at)
        features = self.store.held_features.index_select(0, at)
        return self._batch(draws, features, torch.from_numpy(offsets), places).to(self.store.device)

    def _rows(self, draw: Draw) -> NDArray[np.int64]:
        number = self.dataset.numbers[draw.position]
        chosen = self.dataset.rows(draw)
        return (np.arange(self.store.length(number)) if chosen is None else chosen) + self.store.starts[number]


def _itself(store: Store) -> Store:
    return store
