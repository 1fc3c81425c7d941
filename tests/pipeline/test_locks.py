"""A lock has one holder at a time: a stale lock is broken, a running holder is waited for."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from oceanpath.pipeline import locks, processes
from oceanpath.pipeline.locks import held, holder, try_lock, wait_lock
from oceanpath.pipeline.processes import is_alive, machine, process_tag

ROOT = Path(__file__).resolve().parents[2]
DEAD = f"999999999-1-{machine()}"
FAR = "1-1-elsewhere"
NO_PROC = "from oceanpath.pipeline import processes; from pathlib import Path; processes.PROC = Path('nowhere')\n"
OWNER = """
import sys, time
from pathlib import Path
from oceanpath.pipeline.locks import held, wait_lock
with held(wait_lock(Path(sys.argv[1]), "name")):
    print("held", flush=True)
    time.sleep(600)
"""
VICTIM = """
import os, sys, time
from pathlib import Path
from oceanpath.pipeline import locks
locks.POLL_SECONDS = 0.001
folder = Path(sys.argv[1])
while True:
    with locks.held(locks.wait_lock(folder, "name")):
        inside = folder / "inside"
        inside.unlink(missing_ok=True) if sys.argv[2:] else None
        with inside.open("x"):
            time.sleep(0.002)
        inside.unlink()
"""


def written(folder: Path, process: str, age: float = 0.0) -> Path:
    """A lock that another process holds, last touched `age` seconds ago."""
    file = folder / "name" / f"{process}.12345678"
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (time.time() - age, time.time() - age))
    return file


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_only_one_gets_it_and_it_is_free_afterwards(tmp_path: Path) -> None:
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        assert try_lock(tmp_path, "name") is None
        assert holder(tmp_path, "name") == process_tag()
    assert list(tmp_path.iterdir()) == []
    assert holder(tmp_path, "name") == ""
    assert try_lock(tmp_path, "name") is not None


def test_who_waits_gets_it_when_the_holder_lets_go(tmp_path: Path) -> None:
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


def test_a_dead_holder_of_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    written(tmp_path, DEAD)
    assert holder(tmp_path, "name") == ""
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    assert [path.name for path in tmp_path.iterdir()] == ["name"]
    assert list(lock.parent.iterdir()) == [lock]


def test_a_lock_that_was_killed_as_it_was_let_go_is_free(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    assert try_lock(tmp_path, "name") is not None


@pytest.mark.parametrize(("age", "free"), [(0.0, False), (60.0, False), (1000.0, True)])
def test_a_holder_on_another_machine_is_dead_when_its_heart_stopped(tmp_path: Path, age: float, free: bool) -> None:
    written(tmp_path, FAR, age)
    assert (holder(tmp_path, "name") == "") == free
    lock = try_lock(tmp_path, "name")
    assert (lock is not None) == free
    if lock is not None:
        assert time.time() - lock.stat().st_mtime < 60, "who takes over is fresh from the first moment"


def test_a_holder_keeps_touching_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TOUCH_SECONDS", 0.02)
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        os.utime(lock, (0, 0))
        time.sleep(0.3)
        assert lock.stat().st_mtime > 1000


def test_a_lock_that_was_taken_over_is_not_let_go_by_its_old_holder(tmp_path: Path) -> None:
    lock = try_lock(tmp_path, "name")
    assert lock is not None
    with held(lock):
        lock.rename(lock.with_name(f"{FAR}.12345678"))
    assert holder(tmp_path, "name") == FAR


def test_many_threads_never_hold_it_together_and_the_lock_of_the_living_is_never_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.0005)
    inside, most, moved = [0], [0], list[str]()
    rename = Path.rename

    def reporting_progress(path: Path, target: Path) -> Path:
        if path.parent.name == "name" and is_alive(path.name.partition(".")[0]):
            moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", reporting_progress)

    def work() -> None:
        for _ in range(100):
            with held(wait_lock(tmp_path, "name")):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0002)
                inside[0] -= 1

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert (most, moved) == ([1], [])


def test_whoever_is_killed_at_whatever_moment_the_others_go_on_alone(tmp_path: Path) -> None:
    moments, victims = random.Random(0), [start(VICTIM, str(tmp_path), "may be killed inside") for _ in range(2)]
    for _ in range(12):
        time.sleep(moments.uniform(0.0, 0.15))
        end(victims.pop(0))
        victims.append(start(VICTIM, str(tmp_path), "may be killed inside"))
    for victim in victims:
        end(victim)
    (tmp_path / "inside").unlink(missing_ok=True)
    survivors = [start(VICTIM, str(tmp_path)) for _ in range(2)]
    time.sleep(2.0)
    assert [survivor.poll() for survivor in survivors] == [None, None], "never both inside"
    for survivor in survivors:
        end(survivor)
    lock = try_lock(tmp_path, "name")
    assert lock is not None


@pytest.mark.parametrize("proc", ["there", "not there"])
def test_the_living_and_the_dead_are_told_apart_without_a_proc_file_system(
    proc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if proc == "not there":  # as on macOS
        monkeypatch.setattr(processes, "PROC", tmp_path / "nowhere")
    machine.cache_clear()
    owner = start(OWNER if proc == "there" else NO_PROC + OWNER, str(tmp_path / "locks"))
    try:
        assert owner.stdout is not None and owner.stdout.readline() == "held\n"
        tag = holder(tmp_path / "locks", "name")
        assert tag.startswith(f"{owner.pid}-")
        assert is_alive(tag) is True
        pid, _, where = tag.split("-", 2)
        assert is_alive(f"{pid}-1-{where}") is False, "another process got the number of a dead one"
        assert try_lock(tmp_path / "locks", "name") is None
    finally:
        owner.kill()
    for _ in range(100):
        if is_alive(tag) is not True:
            break
        time.sleep(0.05)
    assert is_alive(tag) is False, "ended, though its parent has not collected it"
    assert try_lock(tmp_path / "locks", "name") is not None
    owner.communicate()
    assert is_alive(tag) is False
    machine.cache_clear()


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs a mount namespace of its own",
)
def test_where_nothing_can_be_read_of_a_process_its_heartbeat_decides(tmp_path: Path) -> None:
    code = """
import os, subprocess, sys, time
from pathlib import Path
from oceanpath.pipeline.locks import holder, try_lock
owner = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], stdout=subprocess.PIPE)
owner.stdout.readline()
folder = Path(sys.argv[1])
first = try_lock(folder, "name"), bool(holder(folder, "name"))
(file,) = (folder / "name").iterdir()
os.utime(file, (0, 0))
print(first, not holder(folder, "name"), try_lock(folder, "name") is not None)
owner.kill()
"""
    hidden = 'mount -t tmpfs none /proc && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", hidden, "sh", sys.executable, "-c", code, str(tmp_path), OWNER]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert said.stdout == "(None, True) True True\n", said.stderr


def test_processes_of_another_namespace_are_not_judged_by_their_numbers() -> None:
    pid, start_, where = process_tag().split("-", 2)
    assert is_alive(f"{pid}-{start_}-{where.partition('_')[0]}_1") is None
    assert is_alive("") is None
    assert is_alive(process_tag()) is True
