"""Prepare the next item in a thread while the current one is processed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Prefetcher(Generic[Key, Value]):
    """Prepares the item that is expected next; after one wrong expectation it stops preparing items in advance.

    An expectation is wrong if other processes share the work, or if part of it was done before.
    """

    def __init__(self, prepare: Callable[[Key], Value], discard: Callable[[Value], None]) -> None:
        """Create the prefetcher, without an expected item.

        Args:
            prepare: Runs in a thread, or in the thread of the caller for an item that was not expected.
            discard: Receives an item that was prepared unnecessarily.
        """
        self._prepare, self._discard = prepare, discard
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._expected: tuple[Key, Future[Value]] | None = None
        self._trusted = True

    def take(self, key: Key) -> Value:
        """The item `prepare(key)`, which may already be in preparation. Raises: the exception of `prepare`."""
        expected, self._expected = self._expected, None
        if expected is not None and expected[0] == key:
            return expected[1].result()
        if expected is not None:
            self._trusted = False
            expected[1].add_done_callback(self._discard_result)
        return self._prepare(key)

    def expect(self, key: Key) -> None:
        """Start to prepare the item of `key`."""
        if self._trusted:
            self._expected = (key, self._pool.submit(self._prepare, key))

    def ready(self) -> Value | None:
        """The expected item, if it has been prepared without an error."""
        if self._expected is None or not self._expected[1].done() or self._expected[1].exception() is not None:
            return None
        return self._expected[1].result()

    def _discard_result(self, future: Future[Value]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._discard(future.result())
