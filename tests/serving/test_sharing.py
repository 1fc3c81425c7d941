"""Two requests at once share the cores: together they take no longer than one after the other."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from oceanpath.serving.engine import Engine
from oceanpath.serving.service import AT_ONCE

from .conftest import DIM

REQUESTS, ROUNDS = 8, 5
SLOWER = 1.25
"""What the least of several timings may differ by on a machine that does nothing else."""


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.alone
def test_two_inferences_at_once_take_no_longer_than_one_after_the_other(bundle_path: Path) -> None:
    engine = Engine.load(bundle_path)
    bag = np.random.default_rng(0).standard_normal((200_000, DIM)).astype(np.float32)
    seconds: dict[int, list[float]] = {1: [], AT_ONCE: []}
    burnt: dict[int, list[float]] = {1: [], AT_ONCE: []}
    for _ in range(ROUNDS):
        for at_once in seconds:
            began, cpu = time.perf_counter(), used()
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(lambda _: engine.predict(bag), range(REQUESTS)))
            seconds[at_once].append(time.perf_counter() - began)
            burnt[at_once].append(used() - cpu)
    print(f"{REQUESTS} requests: {min(seconds[1]):.2f} s in turn, {min(seconds[AT_ONCE]):.2f} s {AT_ONCE} at once")
    assert min(seconds[AT_ONCE]) <= SLOWER * min(seconds[1])
    assert min(burnt[AT_ONCE]) <= SLOWER * min(burnt[1])
