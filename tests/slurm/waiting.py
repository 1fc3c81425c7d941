"""An experiment whose parts only wait, so that a cluster is tested and not the work.

Every part appends lines to one file: that it started, that it ended. Its output is the id of its process.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from oceanpath.pipeline.catalog import Catalog, Table
from oceanpath.pipeline.experiment import load
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import plan
from oceanpath.pipeline.runner import Runner, RunOptions
from oceanpath.pipeline.stage import Inputs, Part, Progress, Quiet, Stage, Summary
from oceanpath.pipeline.workspace import Workspace
from oceanpath.settings import Settings

HERE = "tests.slurm.waiting"
LOG = "attempts.txt"


class WaitSettings(Settings):
    count: int = 1
    seconds: float = 0.0


class NoTable(Settings):
    pass


def parts(settings: WaitSettings, inputs: Inputs) -> list[Part]:
    return [Part(f"{n:06d}", {"number": n, "seconds": settings.seconds}) for n in range(settings.count)]


def wait(settings: WaitSettings, inputs: Inputs, part: Part, out: Path, progress: Progress) -> Summary:
    log(out, "start", part.key)
    time.sleep(settings.seconds)
    (out / "process.txt").write_text(f"{os.getpid()}")
    log(out, "end", part.key)
    return Summary()


def log(out: Path, event: str, key: str) -> None:
    """Append a line below the workspace, which is three folders above a part."""
    with (out.parents[2] / LOG).open("a") as file:
        file.write(f"{event} {key} {os.getpid()} {time.time():.3f}\n")


def combine(settings: WaitSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    (out / "keys.txt").write_text("\n".join(sorted(inputs.parts)))
    return Summary()


def check(path: Path) -> None:
    pass


CATALOG = Catalog(
    stages=(
        Stage(
            "wait",
            1,
            f"{HERE}:WaitSettings",
            f"{HERE}:combine",
            f"{HERE}:check",
            parts=f"{HERE}:parts",
            part_work=f"{HERE}:wait",
        ),
    ),
    tables={"data": Table(f"{__name__}:NoTable")},
    scalars={},
)


class PrintingScreen(Quiet):
    """Prints notes."""

    def begin(self, step: Any, why: list[str]) -> Progress:
        return self

    def end(self, state: Any) -> None:
        pass

    def note(self, text: str) -> None:
        print(text, flush=True)


def main(folder: str, options: dict[str, Any], executor: str = "slurm", jobs: int = 1) -> None:
    """Run ``wait.toml`` of a folder; exits with the error of the first failed step."""
    made, workspace = plan(load(Path(folder) / "wait.toml", CATALOG)), Workspace(Path(folder) / "out")
    workspace.open()
    with Ledger(workspace.ledger) as ledger:
        run = RunOptions(jobs=jobs, executor=executor, executor_options=options)
        states = Runner(made, workspace, ledger, "wait", PrintingScreen(), run).run()
    for state in states:
        if state.error:
            sys.exit(str(state.error))


def attempts(folder: Path) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Part → the processes that started it, and those that ended it."""
    started, ended = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for line in _lines(folder):
        event, key, process, _ = line.split()
        (started if event == "start" else ended)[key].append(int(process))
    return started, ended


def busy(folder: Path) -> list[int]:
    """The processes that are computing a part, by the lines that they wrote; ended ones too."""
    begun: dict[int, bool] = {}
    for line in _lines(folder):
        event, _, process, _ = line.split()
        begun[int(process)] = event == "start"
    return [process for process, is_computing in begun.items() if is_computing]


def times(folder: Path) -> list[tuple[float, float]]:
    """First start and last end of each process."""
    found = defaultdict[str, list[float]](list)
    for line in _lines(folder):
        _, _, process, moment = line.split()
        found[process].append(float(moment))
    return [(min(moments), max(moments)) for moments in found.values()]


def _lines(folder: Path) -> list[str]:
    log = folder / "out" / LOG
    return log.read_text().splitlines() if log.exists() else []
