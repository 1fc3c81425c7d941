"""Real processes that are sent a signal say so, end with its code at once, and can be started again."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import MAIN, Cohort, bare_seconds

WORDS = "interrupted: finished results are kept; run the same command again to continue\n"
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = [(signal.SIGINT, "2"), (signal.SIGTERM, "1"), (signal.SIGHUP, "1")]
"""Signals and jobs: every combination in ``nox -s kills``."""
if "OCEANPATH_KILLS" in os.environ:
    INTERRUPTED = list(itertools.product(NUMBERS, ("1", "2")))
STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture
def endless(cohort: Cohort) -> Iterator[Cohort]:
    """A cohort whose training takes longer than any test waits; what still runs after a test is killed."""
    cohort.toml += '[model]\nname = "static"\n[train]\nepochs = 10000000\npatience = 10000000\n'
    (cohort.folder / "oceanpath.toml").write_text(cohort.toml)
    yield cohort
    for process in STARTED:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    STARTED.clear()


def start(cohort: Cohort, *more: str, before: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", f"import signal; {before}\n{MAIN}", *more]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cohort.folder, start_new_session=True)
    STARTED.append(process)
    return process


def ready(cohort: Cohort) -> None:
    """Wait until the first fold is in training."""
    for _ in range(1200):
        if list((cohort.folder / "out" / "parts").glob("train")):
            return
        time.sleep(0.05)
    raise AssertionError("training never began")


@pytest.mark.parametrize(("number", "jobs"), INTERRUPTED)
def test_a_command_says_that_it_was_interrupted_and_does_not_wait(endless: Cohort, number: int, jobs: str) -> None:
    process = start(endless, "run", "oceanpath.toml", "--workspace", "out", "--jobs", jobs, "--quiet")
    ready(endless)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(number)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (128 + number, "", WORDS)
    assert time.monotonic() - began < 5 + 20 * bare_seconds(), "on a machine that others use, everything takes longer"
    db = sqlite3.connect(endless.folder / "out" / "ledger.sqlite")
    assert db.execute("SELECT state FROM run").fetchall() == [("interrupted",)]
    db.close()
    endless.toml = endless.toml.replace("10000000", "2")
    assert endless.run() == 0
    assert list((endless.folder / "out" / "locks").iterdir()) == []


def test_a_signal_to_the_process_and_to_its_group_is_one(endless: Cohort) -> None:
    """As `timeout` sends it."""
    process = start(endless, "run", "oceanpath.toml", "--workspace", "out", "--quiet")
    ready(endless)
    time.sleep(0.5)
    process.terminate()
    for _ in range(20):
        os.killpg(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (143, WORDS)


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.2, 0.4])
def test_while_it_loads_too(cohort: Cohort, seconds: float) -> None:
    process = start(cohort, "predict", "--bundle", "nowhere", "features")
    time.sleep(seconds)
    process.terminate()
    _, error = process.communicate(timeout=30)
    assert "Traceback" not in error
    ended = process.returncode == 143 and error.endswith(WORDS)  # perhaps after the error of the command
    assert ended or process.returncode in (-signal.SIGTERM, 2)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_whoever_started_it_ignores_stays_ignored(endless: Cohort, number: int) -> None:
    """As `nohup` and a shell in the background have it."""
    ignoring = f"signal.signal({number}, signal.SIG_IGN)"
    process = start(endless, "run", "oceanpath.toml", "--workspace", "out", "--quiet", before=ignoring)
    ready(endless)
    time.sleep(0.3)
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None


DROPPING = {
    "import": "import dropping",
    "destructor": """
class Slow:
    def __del__(self):
        wait()
del [Slow()][:]
""",
}


@pytest.mark.parametrize("place", DROPPING)
def test_an_interruption_is_not_lost_where_exceptions_are(place: str, tmp_path: Path) -> None:
    """A module that drops every exception while it is imported; Python itself drops those of destructors."""
    waiting = "import time\nfor _ in range(20):\n    time.sleep(0.02)\n"
    body = "\n".join("    " + line for line in waiting.splitlines())
    (tmp_path / "dropping.py").write_text(f"try:\n{body}\nexcept BaseException:\n    pass\n")
    script = f"""
from oceanpath.cli import signals
def wait():
{body}
signals.listen()
print("ready", flush=True)
try:
{chr(10).join("    " + line for line in DROPPING[place].strip().splitlines())}
    wait()
    wait()
except KeyboardInterrupt:
    raise SystemExit(signals.interrupted())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.terminate()
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (143, WORDS)


def test_a_signal_that_another_thread_receives_ends_a_wait_of_the_main_thread() -> None:
    """The system chooses the thread; on a busy machine it was another one in about one of twenty runs."""
    script = """
import signal, threading, time
from oceanpath.cli import signals
signals.listen()
def receive():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait()
threading.Thread(target=receive, daemon=True).start()
try:
    threading.Event().wait()
except KeyboardInterrupt:
    raise SystemExit(signals.interrupted())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (143, WORDS)
