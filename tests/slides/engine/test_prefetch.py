"""The next item is prepared in a thread; after a wrong expectation, no more."""

from __future__ import annotations

import threading
import time

import pytest

from oceanpath.slides.engine.prefetch import Prefetcher


def test_the_expected_item_is_prepared_once_in_a_thread() -> None:
    where: list[tuple[int, str]] = []

    def prepare(key: int) -> int:
        where.append((key, threading.current_thread().name))
        return key * key

    ahead = Prefetcher(prepare, lambda value: None)
    assert ahead.take(3) == 9 and ahead.ready() is None
    ahead.expect(4)
    assert ahead.take(4) == 16
    assert [key for key, _ in where] == [3, 4]
    assert where[0][1] == threading.current_thread().name != where[1][1]


def test_an_error_is_raised_when_the_item_is_taken() -> None:
    ahead = Prefetcher[int, int](lambda key: 1 // key, lambda value: None)
    ahead.expect(0)
    time.sleep(0.05)
    assert ahead.ready() is None
    with pytest.raises(ZeroDivisionError):
        ahead.take(0)
    assert ahead.take(1) == 1


def test_a_wrong_expectation_is_discarded_and_the_last_one() -> None:
    made: list[int] = []
    away: list[int] = []

    def prepare(key: int) -> int:
        made.append(key)
        return key

    ahead = Prefetcher(prepare, away.append)
    ahead.expect(1)
    assert ahead.take(2) == 2
    deadline = time.monotonic() + 5
    while not away and time.monotonic() < deadline:
        time.sleep(0.01)
    assert away == [1]
    ahead.expect(3)
    assert ahead.ready() is None and ahead.take(3) == 3
    assert sorted(made) == [1, 2, 3]
