"""Threads over batches: on CPU each reads and encodes on a core of its own, otherwise they read ahead of a device."""

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


def in_order(work: Callable[[Key], Value], keys: Iterable[Key], threads: int) -> Iterator[Value]:
    """`work(key)` for each key, in the order of `keys`, whatever the number of threads.

    At most `threads` + 1 results wait in memory. With no threads everything happens in the calling thread. What
    `work` raises comes out at the place of its key.
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
    """Inside, torch computes on one core in each new thread; afterwards as before.

    Threads that share each operation wait for one another, tenfold so on a busy machine; threads with a batch each
    never wait. Torch is not imported for the sake of encoders that do without it.
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
