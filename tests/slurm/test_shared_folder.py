"""A node that loses the folder of the workspace, and later sees it again. `nox -s slurm` starts it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace

from . import waiting
from .cluster import Cluster, missing
from .test_chaos import start, write

REASON = missing() if os.environ.get("OCEANPATH_SLURM") else "run by `nox -s slurm`"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
SECONDS = 20.0
"""How long a node is without the folder."""


def test_nothing_is_lost_when_a_node_loses_the_workspace(tmp_path: Path) -> None:
    """Its tasks fail or write to nowhere; the other node computes their parts."""
    cluster = Cluster(tmp_path / "slurm", nodes=2, cpus=2, port=21817)
    cluster.start()
    folder = tmp_path / "project"
    folder.mkdir()
    write(folder, count := 60, 0.5)
    try:
        run = start(cluster, folder, chunk=5, poll_seconds=1, attempts=100, heartbeat_minutes=0.2)
        while len(waiting.attempts(folder)[1]) < 5:
            assert run.poll() is None, (folder / "run.log").read_text()[-3000:]
            time.sleep(0.2)
        cluster.hide(2, folder, hidden=True)
        lost_at = len(waiting.attempts(folder)[1])
        time.sleep(SECONDS)
        cluster.hide(2, folder, hidden=False)
        returned_at = len(waiting.attempts(folder)[1])
        assert run.wait(600) == 0, (folder / "run.log").read_text()[-3000:]
    finally:
        cluster.stop()
    begun, ended = waiting.attempts(folder)
    folders = list((folder / "out" / "parts" / "wait").glob("[!.]*"))
    assert len(folders) == len(ended) == count
    assert maintenance.verify(Workspace(folder / "out"), deep=True) == []
    again = sum(map(len, begun.values())) - count
    lost = (folder / "run.log").read_text().count("lost their task")
    print(f"\n{SECONDS:.0f} s without the workspace on one of two nodes: {lost_at} of {count} parts before,")
    print(f"{returned_at} after; {again} parts started again, {lost} losses noticed; every part published once")
