"""The executor for several jobs on this machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import re
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import replace
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from oceanpath.child_process import end_with_parent
from oceanpath.cores import usable_cores
from oceanpath.errors import AccidentError
from oceanpath.pipeline.executors.progress import ProgressSlot, SlotProgress, SlotReader, reporting_progress
from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.work_items import JobResult, WorkItem

ATTEMPTS = 2
"""Number of attempts for an item whose process ends unexpectedly."""
GRACE_SECONDS = 5.0
"""Maximum time to wait for a killed process to end."""
CONTEXT = multiprocessing.get_context("spawn")


class LocalExecutor:
    """Runs up to `jobs` items at once, each in a process started for this executor.

    A thread sends a process one item at a time over a pipe and waits for the result, or for the end of the process.
    They share no lock and no queue: a process that ends unexpectedly affects only its own item.
    """

    def __init__(self, jobs: int) -> None:
        self._tickets = count(1)
        self._slots = CONTEXT.RawArray(ProgressSlot, jobs)
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="worker")
        self._workers = [_WorkerProcess(number, self._slots) for number in range(jobs)]
        self._free: SimpleQueue[_WorkerProcess] = SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def run(self, items: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all items; an item whose process ends unexpectedly is tried once more and then fails.

        Raises: KeyboardInterrupt: the executor was closed meanwhile.
        """
        ticket = next(self._tickets)
        try:
            futures = {self._threads.submit(self._run_item, item, ticket): item for item in items}
        except RuntimeError as error:  # the threads accept no further items
            raise KeyboardInterrupt from error
        with reporting_progress(SlotReader(self._slots, ticket), progress):
            for future in as_completed(futures):
                try:
                    result = future.result()
                except CancelledError as error:
                    raise KeyboardInterrupt from error
                for line in result.notes:
                    progress.note(line)
                yield futures[future], result

    def close(self) -> None:
        """Kill the processes, busy or not."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        killed = [worker.close() for worker in self._workers]
        for process in filter(None, killed):
            process.join(GRACE_SECONDS)

    def _run_item(self, item: WorkItem, ticket: int) -> JobResult:
        worker = self._free.get()
        try:
            for _ in range(ATTEMPTS):
                if result := worker.run(item, ticket):
                    return result
        finally:
            self._free.put(worker)
        return JobResult(error=AccidentError("its process was killed", do="If memory was exhausted, use fewer --jobs."))


class _WorkerProcess:
    """A process that is started on first use, and again after it ended unexpectedly."""

    def __init__(self, number: int, slots: ctypes.Array[ProgressSlot]) -> None:
        self._number, self._slots = number, slots
        self._process: tuple[SpawnProcess, Connection] | None = None
        self._closed = False
        self._lock = Lock()
        """Held while the process is started or ended."""

    def run(self, item: WorkItem, ticket: int) -> JobResult | None:
        """The result of an item; None if the process ended before it returned one.

        Raises: CancelledError: this was closed. Anything that `WorkItem.run` raised: a bug.
        """
        try:
            connection = self._connect()
        except OSError as error:
            return JobResult(error=AccidentError("a process could not be started", got=error))
        try:
            connection.send((item, ticket))
            answer: JobResult | BaseException = connection.recv()
        except (EOFError, OSError):
            self._end()
            return None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> SpawnProcess | None:
        """Kill the process permanently; returns it, if there was one."""
        self._closed = True
        return self._end()

    def _connect(self) -> Connection:
        """The pipe to the process, which is started first if necessary."""
        with self._lock:
            if self._closed:
                raise CancelledError
            if self._process is None:
                own_end, child_end = CONTEXT.Pipe()
                process = CONTEXT.Process(target=_serve, args=(child_end, self._number, self._slots))
                process.start()
                child_end.close()
                self._process = process, own_end
            return self._process[1]

    def _end(self) -> SpawnProcess | None:
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return None
            process[0].kill()
            return process[0]


def visible_gpus() -> list[str]:
    """Names of the GPUs that are visible, as CUDA_VISIBLE_DEVICES would list them."""
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is not None:
        return [name for name in variable.split(",") if name.strip()]
    matches = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted(match[1] for match in matches if match)


def _serve(parent: Connection, number: int, slots: ctypes.Array[ProgressSlot]) -> None:
    """The main function of a worker process; it ends with its parent, which alone handles Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(max(1, usable_cores() // len(slots)))
    gpus = visible_gpus()
    if len(gpus) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    while True:
        item, ticket = parent.recv()
        progress = SlotProgress(slots[number], ticket)
        try:
            result = item.run(progress)
        except BaseException as error:
            parent.send(error)
            raise
        progress.finish()
        parent.send(replace(result, notes=tuple(progress.lines)))
