"""What comes next is prepared meanwhile; a wrong guess costs once."""

from __future__ import annotations

import threading
import time

import pytest

from oceanpath.slides.engine.prefetch import Prefetcher


def test_what_is_expected_is_prepared_once_and_beside() -> None:
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


def test_an_error_waits_for_who_takes_it() -> None:
    ahead = Prefetcher(lambda key: 1 // key, lambda value: None)
    ahead.expect(0)
    time.sleep(0.05)
    assert ahead.ready() is None
    with pytest.raises(ZeroDivisionError):
        ahead.take(0)
    assert ahead.take(1) == 1


def test_after_a_wrong_guess_it_guesses_no_more_and_puts_away_what_it_had() -> None:
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
