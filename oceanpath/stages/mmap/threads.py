"""Many calls side by side, where that is faster than one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
LOOK = 32
"""Short calls after which it is asked whether they wait."""
PATIENCE = 3
"""Calls wait for the disk where they take this many times the processor's time: then threads wait side by side."""


def in_threads(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`; reading, hashing and writing much leaves the interpreter free."""
    if workers <= 1:
        return [call(thing) for thing in things]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        return list(pool.map(call, things))


def short_calls(call: Callable[[T], R], things: Iterable[T], workers: int) -> list[R]:
    """Results in the order of `things`, of calls that do little but hold the interpreter, or wait for a disk.

    Two threads that take the interpreter from each other at every short read need twice the time of one. So threads
    come in only when the calls are found to wait.
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
