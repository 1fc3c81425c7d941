"""While one thing is worked on, the next is prepared in a thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Prefetcher(Generic[Key, Value]):
    """Prepares what is expected to come next; after one wrong guess it guesses no more.

    A guess is wrong where other processes share the work, or where part of it was done before.
    """

    def __init__(self, prepare: Callable[[Key], Value], discard: Callable[[Value], None]) -> None:
        """Begin with nothing prepared.

        Args:
            prepare: Runs in a thread, or in the caller's for what was not guessed.
            discard: Takes what was prepared in vain.
        """
        self._prepare, self._discard = prepare, discard
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._guess: tuple[Key, Future[Value]] | None = None
        self._trusted = True

    def take(self, key: Key) -> Value:
        """What `prepare(key)` gives, waiting for it where it is under way. Raises: what `prepare` raised."""
        guess, self._guess = self._guess, None
        if guess is not None and guess[0] == key:
            return guess[1].result()
        if guess is not None:
            self._trusted = False
            guess[1].add_done_callback(self._put_away)
        return self._prepare(key)

    def expect(self, key: Key) -> None:
        """Begin to prepare `key`."""
        if self._trusted:
            self._guess = (key, self._pool.submit(self._prepare, key))

    def ready(self) -> Value | None:
        """What was expected, if it is prepared by now and went well."""
        if self._guess is None or not self._guess[1].done() or self._guess[1].exception() is not None:
            return None
        return self._guess[1].result()

    def _put_away(self, future: Future[Value]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._discard(future.result())
