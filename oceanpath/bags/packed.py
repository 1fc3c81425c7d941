"""Batches in reused memory: no worker processes, no page faults, no padding, float16 as stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.buffers import ReusedBuffers
from oceanpath.bags.dataset import BagDataset, tensor_of
from oceanpath.bags.loader import Loader, expected

Buffer = tuple[ReusedBuffers, ReusedBuffers]
"""Memory for the features and for the coords of one batch."""
PIECE_BYTES = 4 << 20


class Piece(NamedTuple):
    """A unit of work of a reader: rows of one bag of a batch."""

    bag: int
    rows: slice


class PackedLoader(Loader):
    """The batches of a dataset, concatenated bags, read ahead by `readers` threads into reused memory.

    A batch of at most `PIECE_BYTES` is read by the caller: to give it to a thread takes longer than to copy it.

    A batch is valid until the next one is requested; copy it to keep it longer. Batches depend on the draws alone and
    equal `collate` of the same draws. Several iterations may run at once: each has its own memory, which later ones
    reuse. A copy in another process starts without memory.
    """

    def __init__(
        self, dataset: BagDataset, batches: Iterable[Sequence[Draw]], buffers: int = 2, readers: int = 2
    ) -> None:
        """`buffers` is the number of batches in memory; for the other arguments see `Loader`.

        Raises: ValueError: `buffers` < 2, too few to read ahead, or `readers` < 1.
        """
        if buffers < 2:
            raise ValueError(f"reading ahead needs at least two buffers, not {buffers}")
        if readers < 1:
            raise ValueError(f"at least one reader is needed, not {readers}")
        super().__init__(dataset, batches)
        self.buffers, self.readers = buffers, readers
        self._idle: list[Buffer] = []

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_idle": []}

    def __iter__(self) -> Iterator[Batch]:
        taken = deque(self._buffer() for _ in range(self.buffers))
        try:
            with ThreadPoolExecutor(self.readers) as readers:
                pending: deque[tuple[Batch, list[Future[None]]]] = deque()
                for draws in expected(self.dataset, self.batches):
                    pending.append(self._start(draws, taken[0], readers))
                    taken.rotate(-1)
                    if len(pending) == self.buffers:
                        yield _finished(*pending.popleft())
                while pending:
                    yield _finished(*pending.popleft())
        finally:
            self._idle += taken

    def _buffer(self) -> Buffer:
        try:
            return self._idle.pop()  # atomic: two iterations never get the same one
        except IndexError:
            return ReusedBuffers(), ReusedBuffers()

    def _start(
        self, draws: list[Draw], memory: Buffer, readers: ThreadPoolExecutor
    ) -> tuple[Batch, list[Future[None]]]:
        """A batch whose rows are being read, and the futures to wait for."""
        store = self.dataset.store
        lengths = [self.dataset.length(draw.position) for draw in draws]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        total = int(offsets[-1])
        features = memory[0].array((total, store.dim), store.dtype)
        coords = memory[1].array((total, 2), np.dtype(np.int32)) if store.has_coords else None
        left = deque(self._pieces(draws, lengths))  # small enough that all readers finish at about the same time

        def read() -> None:
            while True:
                try:
                    piece = left.popleft()
                except IndexError:
                    return
                at = slice(int(offsets[piece.bag]), int(offsets[piece.bag + 1]))
                self._read_rows(draws[piece.bag], piece.rows, features[at], None if coords is None else coords[at])

        reading: list[Future[None]] = []
        if features.nbytes > PIECE_BYTES:
            reading = [readers.submit(read) for _ in range(min(self.readers, len(left)))]
        else:
            read()
        batch_coords = None if coords is None else torch.from_numpy(coords)
        return self._batch(draws, tensor_of(features, store), torch.from_numpy(offsets), batch_coords), reading

    def _pieces(self, draws: list[Draw], lengths: list[int]) -> Iterator[Piece]:
        """Units of work: a capped bag, or some rows of a whole one."""
        rows = max(1, PIECE_BYTES // (self.dataset.store.dim * self.dataset.store.dtype.itemsize))
        for bag, (draw, length) in enumerate(zip(draws, lengths, strict=True)):
            selected = self.dataset.is_capped(draw.position)
            for first in range(0, length, length if selected else rows):
                yield Piece(bag, slice(first, length if selected else min(first + rows, length)))

    def _read_rows(self, draw: Draw, rows: slice, features: NDArray[Any], coords: NDArray[np.int32] | None) -> None:
        """Read `rows` of a bag into its part of the batch."""
        store, number = self.dataset.store, self.dataset.numbers[draw.position]
        selected, stored_coords = self.dataset.rows(draw), store.coords(number)
        if selected is None:
            store.read_features(number, features[rows].data.cast("B"), rows.start * features[:1].nbytes)
        else:
            store.take(number, selected, features)
        if coords is not None and stored_coords is not None:
            coords[rows] = stored_coords[rows] if selected is None else stored_coords[selected]


def _finished(batch: Batch, reading: list[Future[None]]) -> Batch:
    for share in reading:
        share.result()
    return batch
