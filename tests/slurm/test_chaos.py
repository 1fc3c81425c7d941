"""Kills of workers, nodes, the run and the controller: every part is published once. `nox -s slurm` starts it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace

from ..conftest import ROOT
from . import waiting
from .cluster import Cluster, missing, tasks

REASON = missing() if os.environ.get("OCEANPATH_SLURM") else "run by `nox -s slurm`"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
KILLS = int(os.environ.get("OCEANPATH_KILLS", "20"))
ORDER = ("worker", "worker", "run", "worker", "node", "worker", "worker", "run", "worker", "controller")
NODE_IS_AWAY = 25.0
"""Seconds until a killed node returns: longer than `SlurmdTimeout`, so that Slurm starts a second copy of its tasks."""


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("slurm"), nodes=4, cpus=2)
    made.start()
    yield made
    made.stop()


def write(folder: Path, count: int, seconds: float) -> None:
    (folder / "wait.toml").write_text(f'name = "wait"\n[data]\n[wait]\ncount = {count}\nseconds = {seconds}\n')


def start(cluster: Cluster, folder: Path, **options: Any) -> subprocess.Popen[str]:
    code = f"from tests.slurm import waiting; waiting.main({str(folder)!r}, {options!r})"
    environment = {**cluster.environment, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "run.log").open("a") as output:
        return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=output, stderr=output, text=True)


@dataclass
class Killer:
    """Kills what the order names next."""

    cluster: Cluster
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    workers: set[int] = field(default_factory=set)
    """Processes of killed workers, each of which was computing a part."""
    order: Iterator[str] = field(default_factory=lambda: itertools.cycle(ORDER))
    _away: dict[int, float] = field(default_factory=dict)
    """Number of a killed node → when it returns."""

    def kill(self, run: subprocess.Popen[str]) -> None:
        """One kill, if there is something to kill."""
        what = next(self.order)
        computing = set(waiting.busy(self.folder))
        working = [process for process in tasks() if process.pid in computing]
        if what == "worker" and not working:
            self.order = itertools.chain([what], self.order)
            return
        if what == "worker":
            self.workers.add(working[0].pid)
            working[0].send_signal(signal.SIGKILL)
        elif what == "run":
            run.kill()
        elif what == "controller":
            self.cluster.kill("controller")
            self.cluster.start_controller()
        else:
            number = 1 + self.counts[what] % self.cluster.nodes
            self.cluster.kill(f"n{number}")
            self._away[number] = time.monotonic() + NODE_IS_AWAY
        self.counts[what] += 1

    def restore(self) -> None:
        """Start the nodes whose time has come."""
        for number in [number for number, moment in self._away.items() if moment < time.monotonic()]:
            self.cluster.start_node(number)
            self.cluster.resume(number)
            del self._away[number]


def test_every_part_is_published_once_whatever_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    write(tmp_path, count := 300, 0.5)
    options = {"chunk": 10, "poll_seconds": 0.5, "attempts": 100, "heartbeat_minutes": 1, "setup": "umask 022"}
    killer, started = Killer(cluster, tmp_path), time.monotonic()
    run = start(cluster, tmp_path, **options)
    while time.monotonic() - started < 3000:
        time.sleep(0.5)
        killer.restore()
        if run.poll() == 0:
            break
        if run.poll() is not None:
            run = start(cluster, tmp_path, **options)
        elif killer.counts.total() < KILLS:
            killer.kill(run)
    assert run.poll() == 0, (tmp_path / "run.log").read_text()[-3000:]
    begun, ended = waiting.attempts(tmp_path)
    folders = list((tmp_path / "out" / "parts" / "wait").glob("[!.]*"))
    assert len(folders) == len(ended) == count
    for folder in folders:
        key = f"{json.loads((folder / 'manifest.json').read_text())['identity']['part']['number']:06d}"
        published = int((folder / "process.txt").read_text())
        assert ended[key].count(published) == 1
        assert {*ended[key]} - {published} <= killer.workers, key  # killed between their last line and the rename
    assert maintenance.verify(Workspace(tmp_path / "out"), deep=True) == []
    again = sum(map(len, begun.values())) - count
    interrupted = sum(process not in ended[key] for key, processes in begun.items() for process in processes)
    seconds = time.monotonic() - started
    print(f"\n{killer.counts.total()} kills {dict(killer.counts)}, {interrupted} of them while a part was computed,")
    print(f"{again} parts started again, {count} published once, {seconds:.0f} s")
    assert killer.counts.total() >= KILLS and interrupted >= 0.8 * killer.counts["worker"]


def test_the_overhead_of_500_parts_is_small(tmp_path: Path) -> None:
    """Parts of 10 s in chunks of 25, all at the same time: one chunk takes 250 s."""
    cluster = Cluster(tmp_path / "slurm", nodes=2, cpus=10, port=17817)
    cluster.start()
    try:
        write(tmp_path, 500, 10.0)
        began = time.monotonic()
        run = start(cluster, tmp_path, chunk=25, poll_seconds=1)
        assert run.wait(1000) == 0, (tmp_path / "run.log").read_text()[-3000:]
        seconds = time.monotonic() - began
    finally:
        cluster.stop()
    times = waiting.times(tmp_path)
    first, last = min(begin for begin, _ in times), max(end for _, end in times)
    print(f"\n500 parts of 10 s, 20 at a time: {seconds:.1f} s, overhead {seconds / 250 - 1:.1%}, of which")
    print(f"first task to last result {last - first:.1f} s, start of the last task {max(times)[0] - first:.1f} s")
    assert seconds < 1.1 * 250


def test_submitting_and_collecting_many_parts_has_no_quadratic_step(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "slurm", nodes=1, cpus=2, array_size=51, port=18817)
    cluster.start()
    spent = {}
    try:
        for count in (1_000, 10_000):
            folder = tmp_path / str(count)
            folder.mkdir()
            write(folder, count, 0.0)
            before = os.times()
            run = start(cluster, folder, chunk=count // 10, poll_seconds=1)
            assert run.wait(3000) == 0, (folder / "run.log").read_text()[-3000:]
            after = os.times()
            spent[count] = after.children_user - before.children_user + after.children_system - before.children_system
            assert len(list((folder / "out" / "parts" / "wait").glob("[!.]*"))) == count
    finally:
        cluster.stop()
    print("\n" + ", ".join(f"{count:,} parts: {seconds:.1f} s of processor time" for count, seconds in spent.items()))
    assert spent[10_000] < 15 * spent[1_000]
