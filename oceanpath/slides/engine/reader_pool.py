"""Reader processes that fill batches in shared memory, ahead of a device that encodes them.

The memory has no name in the file system, so nothing is left of it however a run ends, and it falls back to a file
where `/dev/shm` is small. A reader ends with its parent.
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
"""Batches: one that is encoded, one that is ready, one that is being read."""
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
    """A batch on its way."""

    job: ReadRequest
    slot: int
    count: int
    """Rows that are real."""
    readers: list[Connection] = field(default_factory=list)
    """Those that still owe an answer."""


class ReaderPool:
    """`workers` processes, started afresh, that read the patches of one batch after the other side by side."""

    def __init__(self, workers: int, shape: Shape) -> None:
        """Start them.

        Args:
            workers: Processes, at least 1.
            shape: Of a batch, [B, P, P, 3].
        """
        context = multiprocessing.get_context("spawn")
        memory = context.RawArray(ctypes.c_uint8, SLOTS * math.prod(shape))
        self._slots = _as_slots(memory, shape)
        self._queue: deque[_Batch] = deque()
        self._asked = 0
        self._job: ReadRequest | None = None
        self._begun = 0
        """Batches of `_job`, the last slide that was asked for, that have been asked for."""
        self._readers: list[Connection] = []
        for _ in range(workers):
            mine, theirs = context.Pipe()
            context.Process(target=_serve, args=(theirs, memory, shape), daemon=True).start()
            theirs.close()
            self._readers.append(mine)

    def batches(
        self, job: ReadRequest, upcoming: Callable[[], ReadRequest | None] = lambda: None
    ) -> Iterator[NDArray[np.uint8]]:
        """Patches uint8 [B, P, P, 3] of a slide, in order; a batch is good until the next one is asked for.

        The last is filled up with copies of its last patch, so that every batch has the same shape. Once all patches
        of `job` are on their way, those of `upcoming()` follow, if there is one by then; its batches must be asked for
        next.

        Raises:
            OceanPathError, OSError: what reading raised.
            StageError: a reader process died; the ring is of no more use.
        """
        size = self._slots.shape[1]
        if self._job is not job or self._begun != len(self._queue):  # something failed, or another slide was guessed
            self._drop()
            self._job, self._begun = job, 0
        for _ in range(0, len(job.coords), size):
            self._read_ahead(job, upcoming)
            yield self._receive()

    def close(self) -> None:
        """Let the readers end."""
        for reader in self._readers:
            reader.close()

    def _read_ahead(self, job: ReadRequest, upcoming: Callable[[], ReadRequest | None]) -> None:
        size = self._slots.shape[1]
        while len(self._queue) < SLOTS:
            if self._job is not None and self._begun * size >= len(self._job.coords):
                following = upcoming() if self._job is job else None
                if following is None:
                    return
                self._job, self._begun = following, 0
            self._ask(self._begun * size)
            self._begun += 1

    def _ask(self, start: int) -> None:
        """Share the rows of one batch among the readers."""
        assert self._job is not None
        job, size = self._job, self._slots.shape[1]
        coords = job.coords[start : start + size]
        batch = _Batch(job, self._asked % SLOTS, len(coords))
        self._asked += 1
        self._queue.append(batch)
        share = -(-size // len(self._readers))
        for reader, first in zip(self._readers, range(0, len(coords), share), strict=False):
            piece = replace(job, coords=coords[first : first + share])
            with _alive(job.path):
                reader.send((piece, batch.slot, first))
            batch.readers.append(reader)

    def _receive(self) -> NDArray[np.uint8]:
        """The oldest batch, when all its rows are there."""
        batch = self._queue.popleft()
        answers: list[Answer] = []
        for reader in batch.readers:  # each answers in the order in which it was asked
            with _alive(batch.job.path):
                answers.append(reader.recv())
        if problem := next((answer for answer in answers if answer is not None), None):
            raise problem
        patches: NDArray[np.uint8] = self._slots[batch.slot]
        patches[batch.count :] = patches[batch.count - 1]
        return patches

    def _drop(self) -> None:
        """Forget what is on its way."""
        while self._queue:
            with suppress(OceanPathError, OSError):
                self._receive()


@contextmanager
def _alive(path: Path) -> Iterator[None]:
    """Say it where a reader process turns out to be dead."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        do = "Was memory short? Else leave the slide out with extract.exclude."
        raise StageError("a process that read the slide died", where=path, do=do) from error


def _serve(parent: Connection, memory: Any, shape: Shape) -> None:
    """A reader process: read what is asked for until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    slots, opened = _as_slots(memory, shape), OrderedDict[Path, SlideReader]()
    while True:
        try:
            job, slot, first = parent.recv()
        except (EOFError, ConnectionError):
            return
        answer: Answer = None
        try:
            read_patches(_opened(job, opened), job.grid, job.coords, slots[slot, first : first + len(job.coords)])
        except (OceanPathError, OSError) as problem:
            answer = problem
        with suppress(ConnectionError):
            parent.send(answer)


def _opened(job: ReadRequest, opened: OrderedDict[Path, SlideReader]) -> SlideReader:
    if job.path not in opened:
        opened[job.path] = job.open()
        if len(opened) > OPEN_SLIDES:
            opened.popitem(last=False)[1].close()
    return opened[job.path]


def _as_slots(memory: Any, shape: Shape) -> NDArray[np.uint8]:
    return np.frombuffer(memory, np.uint8).reshape(SLOTS, *shape)
