"""One owner at a time; the dead are buried, the living are waited for."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from oceanpath.pipeline import locks
from oceanpath.pipeline.locks import held, try_lock, wait_lock


def written(folder: Path, process: str, age: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    lock = folder / "name"
    lock.write_text(json.dumps({"process": process, "token": "theirs"}))
    os.utime(lock, (time.time() - age, time.time() - age))
    return lock


def test_only_one_gets_it_and_it_is_free_afterwards(tmp_path: Path) -> None:
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        assert try_lock(tmp_path, "name") is None
    assert list(tmp_path.iterdir()) == []
    assert try_lock(tmp_path, "name") is not None


def test_who_waits_gets_it_when_the_owner_lets_go(tmp_path: Path) -> None:
    first = try_lock(tmp_path, "name")
    assert first is not None
    got: list[float] = []

    def second() -> None:
        with held(wait_lock(tmp_path, "name")):
            got.append(time.monotonic())

    thread = threading.Thread(target=second)
    with held(first):
        thread.start()
        time.sleep(0.3)
        assert got == []
        let_go = time.monotonic()
    thread.join(timeout=5)
    assert got
    assert got[0] >= let_go


def test_a_dead_owner_of_this_machine_is_buried_at_once(tmp_path: Path) -> None:
    written(tmp_path, f"999999999-1-{locks.host()}")
    assert try_lock(tmp_path, "name") is not None
    assert [path.name for path in tmp_path.iterdir()] == ["name"]


@pytest.mark.parametrize(("age", "free"), [(0.0, False), (60.0, False), (1000.0, True)])
def test_an_owner_of_another_machine_is_dead_when_its_heart_stopped(tmp_path: Path, age: float, free: bool) -> None:
    written(tmp_path, "1-1-elsewhere", age)
    assert (try_lock(tmp_path, "name") is not None) == free


def test_an_owner_keeps_touching_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "BEAT_SECONDS", 0.02)
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        os.utime(lock, (0, 0))
        time.sleep(0.3)
        assert lock.stat().st_mtime > 1000


def test_a_lock_that_was_taken_over_is_not_let_go_by_its_old_owner(tmp_path: Path) -> None:
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        written(tmp_path, f"{os.getpid()}-1-elsewhere")
    assert lock.exists()


def test_many_threads_never_hold_it_together(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(10):
            with held(wait_lock(tmp_path, "name")):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert most == [1]
