"""Many calls in parallel, if that is faster than sequentially."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
LOOK = 32
"""Number of calls after which it is measured whether they wait."""
PATIENCE = 3
"""Ratio of elapsed time to processor time above which calls wait for the disk, so that threads help."""


def in_threads(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`, for calls that read, hash or write much without the interpreter lock."""
    if workers <= 1:
        return [call(thing) for thing in things]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(call, things))


def short_calls(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`, for short calls that hold the interpreter lock or wait for a disk.

    Two threads that exchange the lock at every short read take twice the time of one. Threads are therefore used only
    if the calls are measured to wait.
    """
    left, results = iter(things), []
    while True:
        begun, used = time.perf_counter(), time.thread_time()
        found = [call(thing) for thing in islice(left, LOOK)]
        results += found
        if len(found) < LOOK:
            return results
        if time.perf_counter() - begun > PATIENCE * (time.thread_time() - used):
            return results + in_threads(call, left, workers)
