"""A small thread pool, and a limited number of slots for the requests that use it or wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TypeVar

from prometheus_client import Gauge

from oceanpath.serving.errors import BusyError, TooSlowError

A = TypeVar("A")
R = TypeVar("R")


class BoundedPool:
    """Threads for one kind of work."""

    def __init__(self, what: str, threads: int, slots: int, seconds: float, active: Gauge) -> None:
        """Start no thread yet.

        Args:
            what: The kind of work, for messages: "prediction".
            threads: Number of jobs at the same time.
            slots: Number of requests that are computed or wait.
            seconds: Time limit of a job, in seconds.
            active: Counts the requests with a slot.
        """
        self._what, self._slots_in_all, self._seconds, self._active = what, slots, seconds, active
        self._slots = BoundedSemaphore(slots)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=what)

    def close(self) -> None:
        """Stop the threads after their jobs."""
        self._threads.shutdown()

    async def run(self, read: Callable[[], Awaitable[R]], work: Callable[[R], A]) -> A:
        """The result of `work` in a thread. A slot is acquired before `read`, so that memory is bounded too.

        Raises: BusyError: no slot is free. TooSlowError: the time limit is exceeded.
        """
        if not self._slots.acquire(blocking=False):
            expected = f"at most {self._slots_in_all}"
            raise BusyError("too many requests are waiting", expected=expected, do="Try again later.")
        self._active.inc()
        try:
            job = self._threads.submit(work, await read())
        except BaseException:
            self._release()
            raise
        # also after a time-out: the slot is free when its thread is
        job.add_done_callback(lambda _: self._release())
        return await self._wait(job)

    def start(self, work: Callable[[], None]) -> Awaitable[None]:
        """Start a part of a job that has a slot. The result raises TooSlowError."""
        return asyncio.create_task(self._wait(self._threads.submit(work)))

    async def _wait(self, job: Future[A]) -> A:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(job), self._seconds)
        except TimeoutError as error:
            expected = f"{self._seconds:g} seconds"
            raise TooSlowError(f"the {self._what} was not computed in time", expected=expected) from error

    def _release(self) -> None:
        self._active.dec()
        self._slots.release()
