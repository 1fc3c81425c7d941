"""Runs tests on a mutant in a fork of this process, which has imported all libraries already."""

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import hypothesis
import pytest

from oceanpath.torchvision_import import import_torchvision
from tests.mutants.operators import Mutant
from tests.mutants.sample import PACKAGES

LIBRARIES = (
    "numpy", "scipy.stats", "scipy.optimize", "pandas", "pyarrow.parquet", "sklearn.linear_model", "sklearn.metrics",
    "torch", "h5py", "onnx", "onnxruntime", "onnxscript", "pydantic", "typer", "rich.console",
    "matplotlib.pyplot", "xxhash", "safetensors", "hypothesis.strategies", "litestar", "umap",
)  # fmt: skip
OPTIONS = (
    *("-x", "-q", "--no-header", "--timeout=0", "-m", "not alone and not real and not slow"),
    *("-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin"),  # and no others: see `warm`
    *("-p", "no:cacheprovider", "-p", "no:unraisableexception"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are among the libraries that are imported already
)
PASSED, FAILED, NOTHING = 0, (1, 2, 3), (4, 5)
"""Exit codes of pytest: all passed; a test or an import failed; there was nothing to run."""


@dataclass(frozen=True)
class WorkItem:
    """Tests to run, on a mutant or on the code as it is."""

    tests: tuple[str, ...]
    """Files and folders, one after the other as long as they pass."""
    mutant: Mutant | None = None
    limit: float = 600.0
    """Seconds of processor time, and a tenth of the seconds by the clock, after which the fork is ended."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended."""

    task: WorkItem
    code: int
    """Exit code of pytest, or minus the signal that ended the fork."""
    seconds: float
    """Of processor time."""

    @property
    def killed(self) -> bool:
        """Whether a test noticed the mutant."""
        return self.code in FAILED or self.code < 0


def warm(root: Path, bytecode: str) -> None:
    """Import what the tests import, but for the project itself; bytecode goes to a folder of this process."""
    os.chdir(root)
    os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    sys.dont_write_bytecode, sys.pycache_prefix = False, bytecode
    with suppress(ModuleNotFoundError):
        import_torchvision()
    for name in LIBRARIES:
        importlib.import_module(name)
    taken = [name for name in sys.modules if name.startswith(tuple(f"oceanpath.{p.split('/')[0]}" for p in PACKAGES))]
    assert not taken, f"imported too early for a mutant: {taken}"
    gc.freeze()  # forks need not look through the libraries for garbage


def run_all(tasks: Sequence[WorkItem], jobs: int, root: Path) -> Iterator[Outcome]:
    """Outcomes as they come, `jobs` forks at a time."""
    waiting: list[WorkItem] = list(reversed(tasks))
    running: dict[int, tuple[WorkItem, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                running[_fork(task, root)] = (task, time.monotonic())
            for pid, (task, started) in list(running.items()):
                if (outcome := _inspect(pid, task, started)) is None:
                    continue
                del running[pid]
                if outcome.code == PASSED and len(task.tests) > 1:
                    waiting.append(replace(task, tests=task.tests[1:]))
                else:
                    yield outcome
            time.sleep(0.02)
    finally:
        for pid in running:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _inspect(pid: int, task: WorkItem, started: float) -> Outcome | None:
    """The outcome of a fork that is over; one whose time is over is ended, and is over at the next look."""
    done, status, used = os.wait4(pid, os.WNOHANG)
    if done:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it started and left
        return Outcome(task, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime)
    if time.monotonic() - started > 10 * task.limit:
        os.killpg(pid, signal.SIGKILL)
    return None


def _fork(task: WorkItem, root: Path) -> int:
    pid = os.fork()
    if pid:
        with suppress(PermissionError):  # the child was quicker
            os.setpgid(pid, pid)
        return pid
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(task.limit), math.ceil(task.limit) + 5))
    code = 3
    try:
        if task.mutant is not None:
            _silence()
            _install(task.mutant, root)
        code = int(pytest.main([*OPTIONS, task.tests[0]], plugins=[_Quick()]))
    finally:
        os._exit(code)


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def _install(mutant: Mutant, root: Path) -> None:
    """Whoever imports the module of the mutant gets the mutant."""
    path, code = str(root / mutant.path), mutant.code(root)
    load = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> object:
        return code if self.path == path else load(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]  # that is the point


class _Quick:
    """A failing example is enough; the smallest one is not looked for."""

    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutant", hypothesis.settings(), phases=phases)
        hypothesis.settings.load_profile("mutant")
