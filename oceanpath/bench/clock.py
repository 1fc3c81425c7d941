"""The clock of all benchmarks: works in turn, so that whatever else the machine does hits all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

Work = Callable[[], object]
Told = TypeVar("Told")


class Spent(NamedTuple):
    """Seconds of one run."""

    wall: float
    cpu: float
    """Of this process, all threads together."""


def spend(work: Work) -> Spent:
    """Run `work` once."""
    start, spent = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - start, time.process_time() - spent)


def in_turn(
    works: Mapping[str, Work], rounds: int, clock: Callable[[Work], Told], turn: float = 0.0
) -> dict[str, list[Told]]:
    """What `clock` tells of every run: in each round every work has a turn of `turn` seconds, and one run at least."""
    found: dict[str, list[Told]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            end = time.perf_counter() + turn
            while True:
                found[name].append(clock(work))
                if time.perf_counter() >= end:
                    break
    return found
