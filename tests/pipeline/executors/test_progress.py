"""The progress of the processes of one step is added up; processes of other steps are not counted."""

from __future__ import annotations

import time

import pytest

from oceanpath.pipeline.executors import progress as slots
from oceanpath.pipeline.executors.progress import ProgressSlot, SlotProgress, SlotReader, reporting_progress
from oceanpath.pipeline.stage import Quiet


def test_shares_and_units_of_one_step_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    row = (ProgressSlot * 3)()
    row[0].units = 1000  # of an earlier step
    reader = SlotReader(row, ticket=7)
    first, second, other = (SlotProgress(row[k], ticket) for k, ticket in enumerate((7, 7, 8)))
    for part, total, done in ((first, 10, 5), (second, 40, 10), (other, 2, 1)):
        part.start(total, "patches")
        part.advance(done)
    now[0] += 3
    assert reader.read() == (0.75, "5 patches/s")
    first.advance(5)
    first.finish()
    assert reader.read() == (0.25, "7 patches/s")
    following = SlotProgress(row[0], 7)
    following.start(4, "patches")
    following.advance(4)
    assert reader.read() == (1.25, "8 patches/s")


def test_nothing_is_reported_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[float, str]] = []

    class Told(Quiet):
        def inside(self, done: float, pace: str) -> None:
            said.append((done, pace))

    monkeypatch.setattr(slots, "INTERVAL_SECONDS", 0.01)
    row = (ProgressSlot * 1)()
    with reporting_progress(SlotReader(row, 1), Told()):
        pass
    assert said == []
