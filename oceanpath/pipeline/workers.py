"""Where tasks run: in this process, or in several beside it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import count, zip_longest
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Protocol

from oceanpath.child_process import end_with_parent
from oceanpath.cores import usable_cores
from oceanpath.errors import AccidentError
from oceanpath.pipeline.jobs import JobResult, WorkItem
from oceanpath.pipeline.progress_slots import ProgressSlot, SlotProgress, SlotReader, reporting_progress
from oceanpath.pipeline.stage import Progress

TRIES = 2
"""So often a task is tried when its process dies."""
GRACE_SECONDS = 5.0
"""So long a process that was killed is waited for."""
CONTEXT = multiprocessing.get_context("spawn")


class Executor(Protocol):
    """Runs tasks; each comes back with how it went, in the order in which they end."""

    def each(self, tasks: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all of `tasks`."""

    def close(self) -> None:
        """End every process that is left."""


class InlineExecutor:
    """One task after the other, in this process."""

    def each(self, tasks: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all of `tasks`, in their order; each receives the part of the one after it."""
        left = list(tasks)
        for task, following in zip_longest(left, left[1:]):
            yield task, replace(task, upcoming=following and following.part).run(progress)

    def close(self) -> None:
        """There is no other process."""


class ProcessExecutor:
    """Up to `jobs` tasks at once, each in a process that was started afresh.

    A thread gives a process one task at a time over a pipe and waits for the answer, or for the end of the process.
    They share no lock and no queue: a process that dies at any moment stops nothing but its own task.
    """

    def __init__(self, jobs: int) -> None:
        self._tickets = count(1)
        self._seats = CONTEXT.RawArray(ProgressSlot, jobs)
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="worker")
        self._workers = [_Worker(number, self._seats) for number in range(jobs)]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def each(self, tasks: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all of `tasks`; a task whose process dies is tried once more, and then said to have failed.

        Raises: KeyboardInterrupt: the workers were closed meanwhile.
        """
        ticket = next(self._tickets)
        try:
            futures = {self._threads.submit(self._run, task, ticket): task for task in tasks}
        except RuntimeError as error:  # the threads take nothing any more
            raise KeyboardInterrupt from error
        with reporting_progress(SlotReader(self._seats, ticket), progress):
            for future in as_completed(futures):
                try:
                    made = future.result()
                except CancelledError as error:
                    raise KeyboardInterrupt from error
                for line in made.notes:
                    progress.note(line)
                yield futures[future], made

    def close(self) -> None:
        """End the processes, at work or not."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        killed = [worker.close() for worker in self._workers]
        for process in filter(None, killed):
            process.join(GRACE_SECONDS)

    def _run(self, task: WorkItem, ticket: int) -> JobResult:
        worker = self._free.get()
        try:
            for _ in range(TRIES):
                if made := worker.run(task, ticket):
                    return made
        finally:
            self._free.put(worker)
        return JobResult(error=AccidentError("its process was killed", do="Was memory short? Use fewer --jobs."))


class _Worker:
    """A process that is started when it is first needed, and again after it has died."""

    def __init__(self, number: int, seats: ctypes.Array[ProgressSlot]) -> None:
        self._number, self._seats = number, seats
        self._process: tuple[SpawnProcess, Connection] | None = None
        self._closed = False
        self._lock = Lock()
        """Held while the process is started or ended."""

    def run(self, task: WorkItem, ticket: int) -> JobResult | None:
        """How the task went; None when the process died at it.

        Raises: CancelledError: this was closed. Whatever the task raised: a bug.
        """
        try:
            connection = self._running()
        except OSError as error:
            return JobResult(error=AccidentError("a process could not be started", got=error))
        try:
            connection.send((task, ticket))
            answer: JobResult | BaseException = connection.recv()
        except (EOFError, OSError):
            self._end()
            return None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> SpawnProcess | None:
        """Kill the process for good; returns it, if there was one."""
        self._closed = True
        return self._end()

    def _running(self) -> Connection:
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._process is None:
                mine, theirs = CONTEXT.Pipe()
                process = CONTEXT.Process(target=_serve, args=(theirs, self._number, self._seats))
                process.start()
                theirs.close()
                self._process = process, mine
            return self._process[1]

    def _end(self) -> SpawnProcess | None:
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return None
            process[0].kill()
            return process[0]


def gpus() -> list[str]:
    """Names of the GPUs that are visible, as CUDA_VISIBLE_DEVICES would list them."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name for name in said.split(",") if name.strip()]
    devices = (path.name for path in Path("/dev").glob("nvidia*"))
    return sorted(found[1] for name in devices if (found := re.fullmatch(r"nvidia(\d+)", name)))


def _serve(parent: Connection, number: int, seats: ctypes.Array[ProgressSlot]) -> None:
    """A worker process: do what is asked for until the parent ends or ends it; Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(max(1, usable_cores() // len(seats)))
    visible = gpus()
    if len(visible) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[number % len(visible)]
    while True:
        task, ticket = parent.recv()
        notes = SlotProgress(seats[number], ticket)
        try:
            made = task.run(notes)
        except BaseException as error:
            parent.send(error)
            raise
        notes.leave()
        parent.send(replace(made, notes=tuple(notes.lines)))
