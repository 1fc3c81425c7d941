"""No process remains when the main process of the server ends, and it can be stopped while its model is loading."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from .conftest import free_port
from .test_server import h5

CODE = "from oceanpath.cli import main; main()"


def gone(members: list[psutil.Process]) -> bool:
    """Whether processes end within five seconds; those that wait to be collected have ended."""
    ends = time.monotonic() + 5
    while left := [member for member in members if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > ends:
            return False
        psutil.wait_procs(left, timeout=0.05)
    return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)])
def test_nothing_outlives_the_main_process(bundle_path: Path, serving, bag, tmp_path: Path, number, code) -> None:
    running = serving(bundle_path, tmp_path / "log")
    assert running.ask("/predict", h5(bag))[0] == 200
    family = psutil.Process(running.process.pid).children(recursive=True)
    assert len(family) >= 2, "a worker, and its process that reads HDF5"
    running.process.send_signal(number)
    assert running.process.wait(timeout=30) == code
    assert gone(family)
    log = (tmp_path / "log").read_text()
    # a worker of granian may panic as its runtime ends, on a busy machine; nothing else is written
    assert log == "" or "panic in a function that cannot unwind" in log


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])
def test_a_server_can_be_stopped_while_its_model_is_loading(bundle_path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", CODE, "serve", str(bundle_path), "--port", str(free_port())]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None and process.stderr.readline().startswith("serving toy")
    time.sleep(seconds)
    family = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    process.terminate()
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
    assert gone(family)
    assert time.monotonic() - began < 5
