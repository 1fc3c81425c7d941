"""What every executor has in common, with the processes of this machine and with a real Slurm where it is installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace

from ..conftest import ROOT
from . import waiting
from .cluster import Cluster, missing

REASON = missing()
COUNT = 12
OPTIONS: dict[str, dict[str, Any]] = {
    "local": {},
    "slurm": {"chunk": 2, "poll_seconds": 0.5, "attempts": 5, "setup": "umask 022"},
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Arrays of at most four tasks, so that six chunks are two arrays."""
    made = Cluster(tmp_path_factory.mktemp("slurm"), nodes=2, array_size=5, port=20817)
    try:
        made.start()
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        made.stop()
        pytest.skip(f"a cluster of Slurm does not start on this machine: {error}")
    yield made
    made.stop()


@pytest.mark.parametrize(
    "executor", ["local", pytest.param("slurm", marks=pytest.mark.skipif(bool(REASON), reason=REASON))]
)
def test_every_part_is_published_once_although_a_process_is_killed(
    executor: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """And a run with nothing to do starts nothing."""
    variables = request.getfixturevalue("cluster").environment if executor == "slurm" else dict(os.environ)
    (tmp_path / "wait.toml").write_text(f'name = "wait"\n[data]\n[wait]\ncount = {COUNT}\nseconds = 0.3\n')
    code = (
        f"from tests.slurm import waiting; waiting.main({str(tmp_path)!r}, {OPTIONS[executor]!r}, {executor!r}, jobs=2)"
    )
    command, deadline = [sys.executable, "-c", code], time.monotonic() + 120
    with (
        (tmp_path / "run.log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**variables, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        ) as run,
    ):
        while not (computing := waiting.busy(tmp_path)):
            assert run.poll() is None and time.monotonic() < deadline, (tmp_path / "run.log").read_text()
            time.sleep(0.02)
        os.kill(killed := computing[0], signal.SIGKILL)
        assert run.wait(120) == 0, (tmp_path / "run.log").read_text()
    _, ended = waiting.attempts(tmp_path)
    folders = list((tmp_path / "out" / "parts" / "wait").glob("[!.]*"))
    assert len(folders) == len(ended) == COUNT
    for folder in folders:
        key = f"{json.loads((folder / 'manifest.json').read_text())['identity']['part']['number']:06d}"
        assert [process for process in ended[key] if process != killed] == [int((folder / "process.txt").read_text())]
    assert maintenance.verify(Workspace(tmp_path / "out"), deep=True) == []
    before = (tmp_path / "out" / waiting.LOG).read_text()
    waiting.main(str(tmp_path), {}, "inline")
    assert (tmp_path / "out" / waiting.LOG).read_text() == before
