"""Two parallel requests share the cores and take no longer than in sequence."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from oceanpath.serving.engine import Engine
from oceanpath.serving.service import MAX_PARALLEL

from .conftest import DIM

REQUESTS, ROUNDS = 8, 5
SLOWER = 1.25
"""Tolerance of the lowest of several timings on a machine without other work."""


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.alone
def test_two_parallel_inferences_take_no_longer_than_in_sequence(bundle_path: Path) -> None:
    engine = Engine.load(bundle_path)
    bag = np.random.default_rng(0).standard_normal((200_000, DIM)).astype(np.float32)
    seconds: dict[int, list[float]] = {1: [], MAX_PARALLEL: []}
    cpu_seconds: dict[int, list[float]] = {1: [], MAX_PARALLEL: []}
    for _ in range(ROUNDS):
        for parallel in seconds:
            began, cpu = time.perf_counter(), used()
            with ThreadPoolExecutor(parallel) as pool:
                list(pool.map(lambda _: engine.predict(bag), range(REQUESTS)))
            seconds[parallel].append(time.perf_counter() - began)
            cpu_seconds[parallel].append(used() - cpu)
    print(f"{REQUESTS} requests: {min(seconds[1]):.2f} s in sequence, {min(seconds[MAX_PARALLEL]):.2f} s in parallel")
    assert min(seconds[MAX_PARALLEL]) <= SLOWER * min(seconds[1])
    assert min(cpu_seconds[MAX_PARALLEL]) <= SLOWER * min(cpu_seconds[1])
