from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from oceanpath.bench.clock import in_turn, spend


def test_alternatives_run_in_turn() -> None:
    done: list[str] = []
    result = in_turn({name: partial(done.append, name) for name in ("a", "b")}, 2, spend)
    assert done == ["a", "b"] * 2
    assert {name: len(spent) for name, spent in result.items()} == {"a": 2, "b": 2}


def test_a_short_run_is_repeated_during_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def run(work: Callable[[], object]) -> int:
        now[0] += int(str(work()))
        return now[0]

    assert in_turn({"long": lambda: 60, "short": lambda: 20}, 2, run, turn=50) == {
        "long": [60, 180],
        "short": [80, 100, 120, 200, 220, 240],
    }


def test_waiting_takes_wall_time_but_no_cpu_time() -> None:
    spent = spend(lambda: time.sleep(0.05))
    assert spent.wall >= 0.05
    assert spent.cpu < 0.03
