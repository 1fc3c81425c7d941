"""Where a run is, and how long the rest takes."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from oceanpath.cli import steps as module
from oceanpath.cli.steps import Pace, Steps, span


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def step(name: str) -> Any:
    return SimpleNamespace(name=name)


def test_nothing_is_known_of_a_first_run_until_something_is_counted(clock: list[float]) -> None:
    pace = Pace(clock[0])
    pace.start(10)
    pace.done(0)
    assert pace.left() is None
    clock[0] += 10
    pace.done(2)
    assert pace.left() == 40
    clock[0] += 5
    assert pace.left() == 35, "it counts down between two samples"


def test_the_time_of_the_last_run_counts_until_the_progress_tells_more(clock: list[float]) -> None:
    pace = Pace(clock[0], cost=100)
    clock[0] += 30
    assert pace.left() == 70
    pace.start(10)
    pace.done(0)
    clock[0] += 10
    pace.done(1)
    assert pace.left() == 90
    clock[0] += 1000
    assert not pace.left(), "longer than ever: nobody knows"


def test_the_pace_is_that_of_the_recent_past(clock: list[float]) -> None:
    """Folds that were there already go by in no time, and tell nothing of the others."""
    pace = Pace(clock[0])
    pace.start(1000)
    for done in range(500):
        pace.done(done)
        clock[0] += 0.001
    for done in range(500, 500 + 3 * module.WINDOW):
        clock[0] += 2
        pace.done(done)
    assert pace.left() == pytest.approx(2 * (1000 - done), rel=0.01)


def test_all_steps_together(clock: list[float]) -> None:
    last = {"mmap": 5.0, "train": 60.0, "eval": None}
    steps = Steps((step("mmap"), step("train"), step("eval")), lambda one: last[one.name])
    assert steps.label(steps.steps[1]) == "[2/3] train"
    assert steps.left() == "", "nothing was asked yet"
    steps.begin(steps.steps[0])
    assert steps.left() == "more than 65 s", "eval never ran here"
    last["eval"] = 10.0
    steps.costs = {}
    steps.end(steps.steps[0])
    steps.begin(steps.steps[1])
    clock[0] += 20
    assert steps.left() == "about 50 s"
    steps.end(steps.steps[1])
    steps.end(steps.steps[2])
    assert steps.left() == ""


def test_lengths_of_time() -> None:
    assert [span(seconds) for seconds in (0, 89, 90, 3600, 5 * 3600)] == ["0 s", "89 s", "2 min", "60 min", "5.0 h"]
