"""Many calls in parallel, if that is faster than sequentially."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
BATCH = 32
"""Number of calls after which their waiting time is measured."""
PATIENCE = 3
"""Ratio of elapsed time to processor time above which calls wait for the disk, so that threads help."""


def in_threads(call: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `items`, for calls that read, hash or write much without the interpreter lock."""
    if workers <= 1:
        return [call(item) for item in items]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(call, items))


def short_calls(call: Callable[[T], R], items: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `items`, for short calls that hold the interpreter lock or wait for a disk.

    Two threads that exchange the lock at every short read take twice as long as one. Threads are therefore used only if
    measurement shows that the calls wait.
    """
    left, results = iter(items), []
    while True:
        begun, used = time.perf_counter(), time.thread_time()
        batch = [call(item) for item in islice(left, BATCH)]
        results += batch
        if len(batch) < BATCH:
            return results
        if time.perf_counter() - begun > PATIENCE * (time.thread_time() - used):
            return results + in_threads(call, left, workers)
