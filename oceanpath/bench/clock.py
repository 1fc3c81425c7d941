"""Timing of all benchmarks: alternatives run alternately, so that other load on the machine affects all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

Work = Callable[[], object]
Measured = TypeVar("Measured")


class Spent(NamedTuple):
    """Seconds of one run."""

    wall: float
    cpu: float
    """CPU time of this process, all threads together."""


def spend(work: Work) -> Spent:
    """Run `work` once."""
    start, spent = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - start, time.process_time() - spent)


def in_turn(
    works: Mapping[str, Work], rounds: int, clock: Callable[[Work], Measured], turn: float = 0.0
) -> dict[str, list[Measured]]:
    """Results of `clock` for all runs: in each round every function runs for `turn` seconds, but at least once."""
    results: dict[str, list[Measured]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            gc.collect()
            end = time.perf_counter() + turn
            while True:
                results[name].append(clock(work))
                if time.perf_counter() >= end:
                    break
    return results
