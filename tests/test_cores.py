from __future__ import annotations

import os

import pytest

from oceanpath.cores import available_cores, usable_cores


def test_available_cores_are_those_that_the_system_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert available_cores() == (os.cpu_count() or 1)


@pytest.mark.parametrize(("asked", "usable"), [("1", 1), ("2", 2), ("64", 3), ("0", 3), ("", 3), ("2,1", 3), ("-1", 3)])
def test_threads_asked_for_are_never_exceeded(monkeypatch: pytest.MonkeyPatch, asked: str, usable: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert usable_cores() == usable
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert usable_cores() == 3
