"""Threads change the speed, never the order or the result."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.threads import map_in_order, one_core_each


@settings(deadline=None, max_examples=30)
@given(count=st.integers(0, 40), threads=st.integers(0, 6))
def test_results_come_in_order(count: int, threads: int) -> None:
    def work(key: int) -> int:
        time.sleep(0.0005 * (key % 3))
        return key * key

    assert list(map_in_order(work, range(count), threads)) == [key * key for key in range(count)]


def test_the_number_of_waiting_results_is_limited() -> None:
    begun: list[int] = []
    results = map_in_order(lambda key: begun.append(key), range(1000), 2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 4
    assert isinstance(results, Generator)
    results.close()


@pytest.mark.parametrize("threads", [0, 3])
def test_an_error_is_raised_at_its_position(threads: int) -> None:
    def work(key: int) -> float:
        return 1 / (key - 3)

    results = map_in_order(work, range(10), threads)
    assert [next(results) for _ in range(3)] == [-1 / 3, -1 / 2, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_torch_uses_one_core_in_each_thread_and_then_as_before() -> None:
    before, seen = torch.get_num_threads(), []
    with one_core_each():
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
    assert seen == [1] and torch.get_num_threads() == before
