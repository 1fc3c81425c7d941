"""A child process ends with its parent, at whatever moment and in whatever state either of them is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
PARENT = """
import subprocess, sys, time
from oceanpath.child_process import Child
child = Child([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, start_new_session=True)
print(child.stdout.readline().decode().strip(), flush=True)
time.sleep(600)
"""
CHILD = """
import ctypes, fcntl, os, subprocess, sys, time
from oceanpath.child_process import end_with_parent
{before}
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
end_with_parent(int(sys.argv[-1]), group=True)
print(os.getpid(), grandchild.pid, flush=True)
{then}
"""
IDLE = "time.sleep(600)"
BUSY = "ctypes.PyDLL(None).usleep(600_000_000)"  # as a library that never lets another thread run
NO_KERNEL = "del fcntl.F_SETSIG"  # as on systems whose kernel does not watch a pipe
SPAWNED = """
import multiprocessing, os, sys, time
from oceanpath.child_process import end_with_parent
def work(connection):
    end_with_parent()
    connection.send(os.getpid())
    time.sleep(600)
if __name__ == "__main__":
    mine, theirs = multiprocessing.Pipe()
    multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(theirs,)).start()
    print(mine.recv(), flush=True)
    time.sleep(600)
"""


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends within that time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def start(*command: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A parent, and its children's numbers."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(("before", "then"), [("", IDLE), ("", BUSY), (NO_KERNEL, IDLE)])
def test_a_child_and_what_it_started_end_with_their_parent(before: str, then: str, number: int) -> None:
    if then == BUSY and sys.platform != "linux":
        pytest.skip("only the kernel of Linux ends a process that never returns to Python")
    parent, children = start("-c", PARENT, CHILD.format(before=before, then=then))
    assert len(children) == 2
    parent.send_signal(number)
    parent.communicate()
    assert all(gone(child) for child in children)


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_process_of_multiprocessing_ends_with_its_parent(method: str, tmp_path: Path) -> None:
    (tmp_path / "spawned.py").write_text(SPAWNED)
    parent, (child,) = start(str(tmp_path / "spawned.py"), method)
    parent.kill()
    parent.communicate()
    assert gone(child)


def test_a_child_lives_as_long_as_its_parent(tmp_path: Path) -> None:
    parent, children = start("-c", PARENT, CHILD.format(before="", then=IDLE))
    time.sleep(1.0)
    assert all(psutil.pid_exists(child) for child in children)
    parent.kill()
    parent.communicate()
    assert all(gone(child) for child in children)
