"""Where tasks run: in this process, or in several beside it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import count
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Protocol

from oceanpath.cores import usable_cores
from oceanpath.errors import AccidentError
from oceanpath.pipeline.seats import Seat, Seated, Watch, watched
from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.tasks import Made, Task

TRIES = 2
"""A worker that dies takes the tasks of its pool with it; so often they are tried again."""


class Workers(Protocol):
    """Runs tasks; each comes back with how it went, in the order in which they end."""

    def each(self, tasks: Iterable[Task], progress: Progress) -> Iterator[tuple[Task, Made]]:
        """Run all of `tasks`."""

    def close(self) -> None:
        """End every process that is left."""


class Here:
    """One task after the other, in this process."""

    def each(self, tasks: Iterable[Task], progress: Progress) -> Iterator[tuple[Task, Made]]:
        """Run all of `tasks`, in their order."""
        for task in tasks:
            yield task, task.run(progress)

    def close(self) -> None:
        """There is no other process."""


class Beside:
    """Up to `jobs` tasks at once, each in a process that was started afresh."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._context = multiprocessing.get_context("spawn")
        self._tickets = count(1)
        self._pool = self._open()
        self._closed = False

    def each(self, tasks: Iterable[Task], progress: Progress) -> Iterator[tuple[Task, Made]]:
        """Run all of `tasks`; a task whose process dies is tried once more, and then said to have failed.

        Raises: KeyboardInterrupt: the workers were closed meanwhile.
        """
        left, ticket = list(tasks), next(self._tickets)
        for attempt in range(TRIES):
            pool = self._pool
            futures: dict[Future[Made], Task] = {pool.submit(_run, task, ticket): task for task in left}
            left = []
            with watched(Watch(self._seats, ticket), progress):
                for future in as_completed(futures):
                    try:
                        made = future.result()
                    except (BrokenProcessPool, CancelledError):
                        if self._closed:
                            raise KeyboardInterrupt from None
                        left.append(futures[future])
                        continue
                    for line in made.notes:
                        progress.note(line)
                    yield futures[future], made
            if left and self._pool is pool:
                self._pool = self._open()
            if attempt == TRIES - 1:
                for task in left:
                    yield (
                        task,
                        Made(error=AccidentError("its process was killed", do="Was memory short? Use fewer --jobs.")),
                    )

    def close(self) -> None:
        """End the processes, at work or not."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()

    def _open(self) -> ProcessPoolExecutor:
        taken = self._context.Value("i", 0)
        self._seats = self._context.RawArray(Seat, self.jobs)
        share = max(1, usable_cores() // self.jobs)
        given = (share, gpus(), taken, self._seats)
        return ProcessPoolExecutor(self.jobs, self._context, initializer=_prepare, initargs=given)


def gpus() -> list[str]:
    """Names of the GPUs that are visible, as CUDA_VISIBLE_DEVICES would list them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name for name in said.split(",") if name.strip()]
    devices = (path.name for path in Path("/dev").glob("nvidia*"))
    return sorted(found[1] for name in devices if (found := re.fullmatch(r"nvidia(\d+)", name)))


_SEAT: list[Seat] = []
"""Of this process, if it is a worker."""


def _prepare(threads: int, visible: list[str], taken: Synchronized[int], seats: ctypes.Array[Seat]) -> None:
    """A new worker: its share of the cores, a GPU of its own where there are several, Ctrl-C left to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with taken.get_lock():
        number = taken.value
        taken.value += 1
    _SEAT[:] = [seats[number % len(seats)]]
    if len(visible) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[number % len(visible)]


def _run(task: Task, ticket: int) -> Made:
    notes = Seated(_SEAT[0], ticket)
    made = task.run(notes)
    notes.leave()
    return replace(made, notes=tuple(notes.lines))
