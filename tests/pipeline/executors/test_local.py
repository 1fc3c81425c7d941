"""Several processes give the result of one, and a process that ends or cannot start affects only its own item."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import psutil
import pytest

from oceanpath.pipeline.executors import local
from oceanpath.pipeline.stage import Quiet
from oceanpath.pipeline.work_items import JobResult, WorkItem

from ...breaking import used
from ..conftest import project, start


def test_several_jobs_give_the_result_of_one(tmp_path: Path) -> None:
    for name, jobs in (("one", 1), ("two", 2)):
        process = start(project(tmp_path / name), jobs=jobs)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
    assert used(tmp_path / "one") == used(tmp_path / "two")
    assert set(used(tmp_path / "one")) == {"read", "count", "report"}


class Answering:
    """An item that returns the id of its process."""

    def run(self, _: object) -> JobResult:
        return JobResult(seconds=float(os.getpid()))


class Dying(Answering):
    """An item that ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (9,)


class Surprising(Answering):
    """An item with a bug."""

    def run(self, _: object) -> JobResult:
        raise KeyError("not planned")


class Endless(Answering):
    """An item that does not end."""

    def run(self, _: object) -> JobResult:
        time.sleep(600)
        return JobResult()


class Deaf(Answering):
    """An item that handles SIGTERM and continues, as Lightning does between two batches."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def run(self, _: object) -> JobResult:
        signal.signal(signal.SIGTERM, lambda *_: None)
        self.file.write_text(str(os.getpid()))
        time.sleep(600)
        return JobResult()


def items(*kinds: Answering) -> list[WorkItem]:
    """Work items, of which an executor only calls `run`."""
    return cast(list[WorkItem], list(kinds))


@pytest.fixture
def executor() -> Iterator[local.LocalExecutor]:
    made = local.LocalExecutor(2)
    yield made
    made.close()


def test_a_process_that_ends_affects_no_other_item(executor: local.LocalExecutor) -> None:
    tasks = items(Answering(), Dying(), Answering(), Dying(), Answering())
    made = dict(executor.run(tasks, Quiet()))
    assert [made[task].error is None for task in tasks] == [True, False, True, False, True]
    assert "its process was killed" in str(made[tasks[1]].error)


def test_a_worker_that_was_killed_is_replaced(executor: local.LocalExecutor) -> None:
    for _ in range(3):
        ((_, made),) = executor.run(items(Answering()), Quiet())
        assert made.error is None
        os.kill(int(made.seconds), signal.SIGKILL)


def test_a_bug_in_a_worker_is_raised_here(executor: local.LocalExecutor) -> None:
    with pytest.raises(KeyError, match="not planned"):
        list(executor.run(items(Surprising()), Quiet()))
    ((_, made),) = executor.run(items(Answering()), Quiet())
    assert made.error is None


def test_a_process_that_cannot_start_is_an_error(
    executor: local.LocalExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.CONTEXT, "Process", refuse)
    ((_, made),) = executor.run(items(Answering()), Quiet())
    assert "could not be started; got [Errno 28] No space left" in str(made.error)


def test_closing_ends_running_items_and_refuses_new_ones(executor: local.LocalExecutor) -> None:
    ended: list[type[BaseException]] = []

    def work() -> None:
        try:
            list(executor.run(items(*(Endless() for _ in range(8))), Quiet()))
        except KeyboardInterrupt as error:
            ended.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    executor.close()
    thread.join(timeout=10)
    assert ended == [KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        list(executor.run(items(Answering()), Quiet()))


def test_closing_ends_a_process_that_ignores_sigterm_while_another_is_idle(
    executor: local.LocalExecutor, tmp_path: Path
) -> None:
    list(executor.run(items(Answering(), Answering()), Quiet()))
    file = tmp_path / "pid"

    def work() -> None:
        with suppress(KeyboardInterrupt):
            list(executor.run(items(Deaf(file)), Quiet()))

    thread = threading.Thread(target=work)
    thread.start()
    while not file.exists() or not file.read_text():
        time.sleep(0.02)
    began = time.monotonic()
    executor.close()
    thread.join(timeout=30)
    assert not psutil.pid_exists(int(file.read_text()))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("said", "expected"), [("0,2", ["0", "2"]), ("", []), ("GPU-a", ["GPU-a"])])
def test_visible_gpus_are_those_the_user_left_visible(said, expected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert local.visible_gpus() == expected
