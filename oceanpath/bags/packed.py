"""Batches in memory that is used again: no worker processes, no page faults, no padding, float16 as stored."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.bags.batch import Batch
from oceanpath.bags.dataset import BagDataset, Draw

HUGE_PAGE = 1 << 21


class Memory:
    """Bytes that are asked for again and again; they grow, and are kept."""

    def __init__(self) -> None:
        self._map = _private(mmap.PAGESIZE)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array over the memory, not cleared; it overlaps with the one before."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size > len(self._map):
            self._map = _private(-(-size // HUGE_PAGE) * HUGE_PAGE)  # the old one goes with its last view
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self._map.madvise(mmap.MADV_HUGEPAGE)  # one page fault for 2 MiB
        found: NDArray[Any] = np.frombuffer(self._map, dtype, size // dtype.itemsize).reshape(shape)
        return found


class PackedLoader:
    """The batches of a dataset, whole bags end to end, read ahead by one thread into `buffers` reused pieces of memory.

    A batch is good until the next one is asked for; whoever keeps it longer copies it. What is delivered depends on the
    draws alone, and equals `collate` of the same draws.
    """

    def __init__(self, dataset: BagDataset, batches: Iterable[Sequence[Draw]], buffers: int = 2) -> None:
        """Args are the bags, the draws of each batch (asked anew for every epoch), and the batches in memory at once.

        Raises: ValueError: `buffers` < 2, which leaves no room to read ahead.
        """
        if buffers < 2:
            raise ValueError(f"reading ahead takes two buffers, not {buffers}")
        self.dataset, self.batches = dataset, batches
        self._buffers = [(Memory(), Memory()) for _ in range(buffers)]

    @property
    def sampler(self) -> Any:
        """Where Lightning looks for `set_epoch`."""
        return getattr(self.batches, "sampler", self.batches)

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # only those who ask for it need batches of a known number

    def __iter__(self) -> Iterator[Batch]:
        ahead: deque[Future[Batch]] = deque()
        memory = cycle(self._buffers)
        with ThreadPoolExecutor(1) as reader:
            for draws in self.batches:
                ahead.append(reader.submit(self._fill, list(draws), next(memory)))
                if len(ahead) == len(self._buffers):
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _fill(self, draws: list[Draw], memory: tuple[Memory, Memory]) -> Batch:
        store, positions = self.dataset.store, [draw.position for draw in draws]
        offsets = np.concatenate([[0], np.cumsum([self.dataset.length(position) for position in positions])])
        features = memory[0].array((int(offsets[-1]), store.dim), store.dtype)
        coords = memory[1].array((int(offsets[-1]), 2), np.dtype(np.int32)) if store.has_coords else None
        for k, draw in enumerate(draws):
            self._place(draw, slice(int(offsets[k]), int(offsets[k + 1])), features, coords)
        labels = self.dataset.labels
        return Batch(
            features=_typed(torch.from_numpy(features), store.index.feature_dtype),
            offsets=torch.from_numpy(offsets.astype(np.int64)),
            coords=None if coords is None else torch.from_numpy(coords),
            labels=None if labels is None else torch.tensor([labels[position] for position in positions]),
            slide_ids=tuple(store.slide_id(self.dataset.numbers[position]) for position in positions),
        )

    def _place(self, draw: Draw, at: slice, features: NDArray[Any], coords: NDArray[np.int32] | None) -> None:
        """Put the rows of one bag at their place in the batch."""
        store, number = self.dataset.store, self.dataset.numbers[draw.position]
        rows, places = self.dataset.rows(draw), store.coords(number)
        if rows is None:
            store.read_features(number, features[at].data.cast("B"))
        else:  # "clip" writes into `out` at once; "raise" would go by a second array
            np.take(store.stored(number), rows, axis=0, out=features[at], mode="clip")
        if coords is not None and places is not None:
            coords[at] = places if rows is None else places[rows]


def _typed(stored: torch.Tensor, dtype: str) -> torch.Tensor:
    """What a store holds as type `dtype`: numpy knows bfloat16 as its 16 bits."""
    return stored.view(torch.bfloat16) if dtype == "bfloat16" else stored


def _private(size: int) -> mmap.mmap:
    """Fresh memory of this process alone: a fork that reads too gets its own."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
