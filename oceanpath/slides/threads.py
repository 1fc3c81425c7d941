"""Threads that process batches: on a CPU each thread reads and encodes on its own core."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def map_in_order(work: Callable[[Key], Value], keys: Iterable[Key], threads: int) -> Iterator[Value]:
    """`work(key)` for each key, in the order of `keys` for any number of threads.

    At most `threads` + 1 results wait in memory. Without threads all work is done in the calling thread. An exception
    of `work` is raised at the position of its key.
    """
    if threads < 1:
        yield from map(work, keys)
        return
    left = iter(keys)
    with ThreadPoolExecutor(threads, thread_name_prefix="in-order") as pool:
        waiting: deque[Future[Value]] = deque(pool.submit(work, key) for key in islice(left, threads + 1))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(work, key) for key in islice(left, 1))
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def one_core_each() -> Iterator[None]:
    """In this context torch uses one core in each new thread.

    Threads that share operations wait for one another, which can take ten times as long on a busy machine; threads with
    a batch of their own do not. Torch is not imported for encoders that do not use it.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
