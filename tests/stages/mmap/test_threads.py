"""Calls side by side give what they give one after the other."""

from __future__ import annotations

import threading
import time

import pytest

from oceanpath.stages.mmap.threads import BATCH, in_threads, short_calls


@pytest.mark.parametrize("way", [in_threads, short_calls])
@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 1, 3 * BATCH])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("pause", [0.0, 0.002])
def test_results_stand_in_order(way, count: int, workers: int, pause: float) -> None:
    def call(number: int) -> int:
        time.sleep(pause * (number % 2))
        return number * number

    assert way(call, iter(range(count)), workers) == [number * number for number in range(count)]


@pytest.mark.parametrize("waits", [False, True])
def test_only_short_calls_that_wait_get_threads(monkeypatch: pytest.MonkeyPatch, waits: bool) -> None:
    monkeypatch.setattr(time, "thread_time", (lambda: 0.0) if waits else time.perf_counter)
    seen = short_calls(lambda _: threading.get_ident(), range(2 * BATCH), 2)
    assert set(seen[:BATCH]) == {threading.get_ident()}
    assert (threading.get_ident() in seen[BATCH:]) is not waits


def test_an_error_comes_out() -> None:
    def call(number: int) -> float:
        return 1 / (number - 2 * BATCH)

    with pytest.raises(ZeroDivisionError):
        short_calls(call, range(3 * BATCH), 2)
