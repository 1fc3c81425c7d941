"""Reader processes that fill batches in shared memory, ahead of a device that encodes them.

The memory has no name in the file system, so that nothing remains of it however a run ends; it falls back to a file if
`/dev/shm` is small. A reader ends with its parent.
"""

from __future__ import annotations

import ctypes
import math
import multiprocessing
import signal
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.child_process import end_with_parent
from oceanpath.errors import OceanPathError, StageError
from oceanpath.slides.grid import PatchGrid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader

SLOTS = 3
"""Batches in memory: one is encoded, one is complete, one is being read."""
OPEN_SLIDES = 2
"""Slides that a reader process keeps open."""
Shape = tuple[int, int, int, int]
Answer = OceanPathError | OSError | None


@dataclass(frozen=True)
class ReadRequest:
    """The patches of one slide, and how another process reads them."""

    path: Path
    open: Callable[[], SlideReader]
    """Opens the slide; can be pickled."""
    grid: PatchGrid
    coords: NDArray[np.int32]
    """[N, 2], level-0 top-left pixels."""


@dataclass(eq=False)
class _Batch:
    """A batch that is being read."""

    request: ReadRequest
    slot: int
    count: int
    """Number of patches; the remaining rows are padding."""
    readers: list[Connection] = field(default_factory=list)
    """Readers that have not answered yet."""


class ReaderPool:
    """Processes, started by spawn, that read the patches of one batch after the other in parallel."""

    def __init__(self, workers: int, shape: Shape) -> None:
        """Start the processes.

        Args:
            workers: Number of processes, at least 1.
            shape: Shape of a batch, [B, P, P, 3].
        """
        context = multiprocessing.get_context("spawn")
        memory = context.RawArray(ctypes.c_uint8, SLOTS * math.prod(shape))
        self._slots = _as_slots(memory, shape)
        self._queue: deque[_Batch] = deque()
        self._sent = 0
        self._request: ReadRequest | None = None
        self._started = 0
        """Batches of `_request`, the last slide that was sent to the readers, that have been sent."""
        self._readers: list[Connection] = []
        for _ in range(workers):
            own_end, reader_end = context.Pipe()
            context.Process(target=_serve, args=(reader_end, memory, shape), daemon=True).start()
            reader_end.close()
            self._readers.append(own_end)

    def batches(
        self, request: ReadRequest, upcoming: Callable[[], ReadRequest | None] = lambda: None
    ) -> Iterator[NDArray[np.uint8]]:
        """Patches uint8 [B, P, P, 3] of a slide, in order; a batch is valid until the next one is taken.

        The last is padded with copies of its last patch, so that every batch has the same shape. Once all patches
        of `request` are being read, those of `upcoming()` follow, if it is known by then; its batches must be taken
        next.

        Raises:
            OceanPathError, OSError: raised by a reader.
            StageError: a reader process ended unexpectedly; the pool cannot be used again.
        """
        size = self._slots.shape[1]
        if self._request is not request or self._started != len(self._queue):  # a failure, or another slide expected
            self._drop()
            self._request, self._started = request, 0
        for _ in range(0, len(request.coords), size):
            self._read_ahead(request, upcoming)
            yield self._receive()

    def close(self) -> None:
        """Stop the readers."""
        for reader in self._readers:
            reader.close()

    def _read_ahead(self, request: ReadRequest, upcoming: Callable[[], ReadRequest | None]) -> None:
        size = self._slots.shape[1]
        while len(self._queue) < SLOTS:
            if self._request is not None and self._started * size >= len(self._request.coords):
                following = upcoming() if self._request is request else None
                if following is None:
                    return
                self._request, self._started = following, 0
            self._send(self._started * size)
            self._started += 1

    def _send(self, start: int) -> None:
        """Divide the rows of one batch among the readers."""
        assert self._request is not None
        request, size = self._request, self._slots.shape[1]
        coords = request.coords[start : start + size]
        batch = _Batch(request, self._sent % SLOTS, len(coords))
        self._sent += 1
        self._queue.append(batch)
        share = -(-size // len(self._readers))
        for reader, first in zip(self._readers, range(0, len(coords), share), strict=False):
            piece = replace(request, coords=coords[first : first + share])
            with _ended_readers_reported(request.path):
                reader.send((piece, batch.slot, first))
            batch.readers.append(reader)

    def _receive(self) -> NDArray[np.uint8]:
        """The oldest batch, once all its rows are read."""
        batch = self._queue.popleft()
        answers: list[Answer] = []
        for reader in batch.readers:  # a reader answers in the order of its requests
            with _ended_readers_reported(batch.request.path):
                answers.append(reader.recv())
        if problem := next((answer for answer in answers if answer is not None), None):
            raise problem
        patches: NDArray[np.uint8] = self._slots[batch.slot]
        patches[batch.count :] = patches[batch.count - 1]
        return patches

    def _drop(self) -> None:
        """Discard the batches that are being read."""
        while self._queue:
            with suppress(OceanPathError, OSError):
                self._receive()


@contextmanager
def _ended_readers_reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, ConnectionError) as error:
        do = "If memory ran out, reduce runtime.workers; otherwise leave the slide out with extract.exclude."
        raise StageError("the process that read the slide ended unexpectedly", where=path, do=do) from error


def _serve(parent: Connection, memory: Any, shape: Shape) -> None:
    """A reader process: answer requests until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    slots, readers = _as_slots(memory, shape), OrderedDict[Path, SlideReader]()
    while True:
        try:
            request, slot, first = parent.recv()
        except (EOFError, ConnectionError):
            return
        answer: Answer = None
        try:
            rows = slots[slot, first : first + len(request.coords)]
            read_patches(_reader_of(request, readers), request.grid, request.coords, rows)
        except (OceanPathError, OSError) as problem:
            answer = problem
        with suppress(ConnectionError):
            parent.send(answer)


def _reader_of(request: ReadRequest, readers: OrderedDict[Path, SlideReader]) -> SlideReader:
    if request.path not in readers:
        readers[request.path] = request.open()
        if len(readers) > OPEN_SLIDES:
            readers.popitem(last=False)[1].close()
    return readers[request.path]


def _as_slots(memory: Any, shape: Shape) -> NDArray[np.uint8]:
    return np.frombuffer(memory, np.uint8).reshape(SLOTS, *shape)
