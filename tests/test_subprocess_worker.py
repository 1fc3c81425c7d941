"""A child replies in time or its parent receives an error, and no child outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.subprocess_worker import (
    Worker,
    WorkerDiedError,
    WorkerError,
    WorkerGarbledError,
    WorkerHangsError,
    module_command,
    python_environment,
)

MODULE = """
import os, re, signal, sys, time
from oceanpath.subprocess_worker import serve

def answer(request):
    print("a library prints where nobody reads")
    mood = request.get("mood")
    if mood == "raises":
        raise RuntimeError("a surprise")
    if mood == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mood == "leaves":
        os._exit(7)
    if mood == "sleeps":
        time.sleep(60)
    if mood == "prints":
        for number in range(5):
            sys.stderr.write(f"line {number}\\n 40%|####| 4/9 [00:00, 9.00it/s]\\r")
            time.sleep(0.4)
    if mood == "clings":
        re.match("(a+)+$", "a" * 60 + "b")  # never lets another thread run
    if mood == "babbles":
        for channel in range(3, 9):
            try:
                os.write(channel, request["bytes"].encode("latin1"))
            except OSError:
                pass
        time.sleep(60)
    return {"echo": request, "arguments": sys.argv[1:-1]}, bytes(request.get("count", 0) * [request.get("fill", 0)])

if __name__ == "__main__":
    serve(answer, int(sys.argv[-1]))
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Worker]]:
    folder = tmp_path_factory.mktemp("module")
    (folder / "moody_child.py").write_text(MODULE)
    started: list[Worker] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))

        def make(*arguments: str) -> Worker:
            started.append(Worker(module_command("moody_child", *arguments)))
            return started[-1]

        yield make
    for worker in started:
        worker.close()


@pytest.fixture(scope="module")
def worker(start: Callable[..., Worker]) -> Worker:
    return start("one", "zwei ä")


VALUES = st.one_of(st.integers(), st.text(), st.floats(allow_nan=False), st.lists(st.integers()))


@settings(deadline=None, max_examples=50)
@given(values=st.dictionaries(st.text(), VALUES), count=st.integers(0, 300_000), fill=st.integers(0, 255))
def test_what_is_sent_is_answered(worker: Worker, values: dict[str, object], count: int, fill: int) -> None:
    request = {f"_{name}": value for name, value in values.items()} | {"count": count, "fill": fill}
    reply, payload = worker.ask(request, 20.0, most=300_000)
    assert reply == {"echo": request, "arguments": ["one", "zwei ä"]}
    assert bytes(payload) == bytes([fill]) * count


def test_a_payload_fills_the_memory_it_is_given(worker: Worker) -> None:
    block = np.zeros(5 << 20, np.uint8)
    _, payload = worker.ask({"count": (5 << 20) - 3, "fill": 9}, 20.0, into=block.data)
    assert len(payload) == (5 << 20) - 3 and (block[:-3] == 9).all() and (block[-3:] == 0).all()


def test_threads_get_their_own_answers(worker: Worker) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: worker.ask({"count": n, "fill": n}, 20.0, most=200), range(60)))
    assert [bytes(payload) for _, payload in found] == [bytes([n]) * n for n in range(60)]


FORGED = {
    "no header": b"\x02\0\0\0\0\0\0\0{x",
    "no object": b"\x02\0\0\0\0\0\0\x0012",
    "a long payload": b"\x02\0\0\0\xff\xff\xff\xff{}",
    "a long header": b"\xff\xff\xff\xff\0\0\0\0{}",
    "no text": b"\x02\0\0\0\0\0\0\0\xff\xfe",
}


@pytest.mark.parametrize(
    ("request_", "kind", "says"),
    [
        ({"mood": "raises"}, WorkerDiedError, "exit 1; it printed: .*RuntimeError: a surprise"),
        ({"mood": "crashes"}, WorkerDiedError, "SIGSEGV"),
        ({"mood": "leaves"}, WorkerDiedError, "exit 7"),
        ({"mood": "sleeps"}, WorkerHangsError, "no reply in time"),
        ({"mood": "clings"}, WorkerHangsError, "no reply in time"),
        ({"count": 11}, WorkerGarbledError, "a payload of 11 bytes; at most 10 are allowed"),
        *(({"mood": "babbles", "bytes": raw.decode("latin1")}, WorkerGarbledError, None) for raw in FORGED.values()),
    ],
)
def test_a_fault_has_its_kind_and_ends_the_child(
    start: Callable[..., Worker], request_: dict[str, Any], kind: type[WorkerError], says: str | None
) -> None:
    worker, began = start(), time.monotonic()
    assert worker.usable
    for _ in range(2):
        with pytest.raises(kind, match=says):
            worker.ask(request_, 3.0 if "mood" in request_ else 20.0, most=10)
    assert not worker.usable and gone(worker.pid)
    assert time.monotonic() - began < 15


def test_with_a_listener_the_limit_is_for_silence(start: Callable[..., Worker]) -> None:
    worker, lines = start(), list[str]()
    worker.ask({}, 20.0, listener=lines.append)
    lines.clear()
    assert worker.ask({"mood": "prints"}, 1.5, listener=lines.append)[0]["echo"] == {"mood": "prints"}
    assert [line for line in lines if "library" not in line] == [f"line {number}" for number in range(5)]
    with pytest.raises(WorkerHangsError, match=r"no reply in time; it printed: .*line 1"):
        worker.ask({"mood": "prints"}, 1.5)


def test_after_it_was_closed_it_says_so(start: Callable[..., Worker]) -> None:
    worker = start()
    worker.close()
    with pytest.raises(WorkerDiedError, match="it was killed"):
        worker.ask({}, 1.0)


@pytest.mark.parametrize("mood", ["", "sleeps", "clings"])
def test_no_child_outlives_its_parent(start: Callable[..., Worker], mood: str) -> None:
    code = (
        "import sys, threading\nfrom oceanpath.subprocess_worker import Worker, module_command\n"
        "worker = Worker(module_command('moody_child'))\nworker.ask({}, 20.0)\nprint(worker.pid, flush=True)\n"
        f"worker.ask({{'mood': {mood!r}}}, 1.5)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    owner = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=python_environment()
    )
    assert owner.stdout is not None and owner.stdin is not None
    child = int(owner.stdout.readline())
    time.sleep(0.3)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    owner.stdin.close()
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
