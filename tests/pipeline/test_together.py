"""Commands on one workspace, started at random moments, share the work and take nothing from each other.

OCEANPATH_ROUNDS says how often; ``nox -s kills`` tries twenty.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace

from ..breaking import used
from ..narrowing import required
from .conftest import ROOT, ToyProject, project, start

ROUNDS = int(os.environ.get("OCEANPATH_ROUNDS", "3"))
ALL = ["count", "count a", "count b", "read", "report"]
PRUNE = """
import sys, time
from oceanpath.cli.app import run_app
time.sleep(float(sys.argv[2]))
sys.exit(run_app(["ledger", "prune", "--yes", "--workspace", sys.argv[1]]))
"""


def prune(folder: Path, delay: float) -> subprocess.Popen[str]:
    command, pipe = [sys.executable, "-c", PRUNE, str(folder / "out"), str(delay)], subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_runs_on_one_workspace_make_everything_once(jobs: int, tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(ROUNDS):
        folder, pair = project(tmp_path / str(number)), []
        for _ in range(2):
            pair.append(start(folder, jobs=jobs))
            time.sleep(moments.uniform(0, 0.08))
        said = [process.communicate(timeout=60) for process in pair]
        assert [process.returncode for process in pair] == [0, 0], said
        made = sorted(line for out, _ in said for line in out.split("\n") if line)
        assert jobs > 1 or made == ALL  # workers tell nothing here
        assert not maintenance.verify(Workspace(folder / "out"), deep=True)
    print(f"{ROUNDS} pairs of runs on one workspace: everything was made once")


@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_that_are_forced_at_once_end_and_agree(jobs: int, tmp_path: Path) -> None:
    moments, folder = random.Random(2), project(tmp_path)
    before = ToyProject(folder).run()
    for _ in range(ROUNDS):
        trio = []
        for _ in range(3):
            trio.append(start(folder, jobs=jobs, force="read"))
            time.sleep(moments.uniform(0, 0.1))
        said = [process.communicate(timeout=60) for process in trio]
        assert [process.returncode for process in trio] == [0, 0, 0], said
        assert not maintenance.verify(Workspace(folder / "out"), deep=True)
        assert used(folder) == {name: required(state.manifest).digest for name, state in before.items()}
        assert list((folder / "out" / "locks").iterdir()) == []
    print(f"{ROUNDS} times three forced runs with {jobs} jobs on one workspace: all ended, results are the same")


def test_pruning_beside_a_run_takes_nothing_that_it_uses(tmp_path: Path) -> None:
    moments, refused = random.Random(3), 0
    for number in range(ROUNDS):
        folder = project(tmp_path / str(number))
        ToyProject(folder).run(["count.factor=3"])
        wanted = used(folder)
        ToyProject(folder).run()  # what the run will need is not used now
        run = start(folder, "count.factor=3")
        pruning = [prune(folder, moments.uniform(0, 0.4)) for _ in range(2)]
        _, error = run.communicate(timeout=60)
        assert run.returncode == 0, error
        for process in pruning:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0 or "a run is using the workspace" in said, said
            refused += process.returncode != 0
        assert used(folder) == wanted
        assert not maintenance.verify(Workspace(folder / "out"), deep=True)
    print(f"{ROUNDS} runs beside two prunes each: {refused} prunes were refused, no run missed anything")
