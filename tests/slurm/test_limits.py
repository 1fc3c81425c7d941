"""Limits of a real Slurm are read, and no submission is rejected. `nox -s slurm` starts it."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from . import accounting
from .cluster import Cluster, missing
from .test_chaos import start, write

REASON = missing() if os.environ.get("OCEANPATH_SLURM") else "run by `nox -s slurm`"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]


@pytest.fixture
def make_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Cluster]]:
    made: list[Cluster] = []

    def make(**limits: Any) -> Cluster:
        made.append(Cluster(tmp_path_factory.mktemp("slurm"), nodes=2, cpus=2, port=19817, **limits))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.mark.skipif(bool(accounting.missing()), reason=accounting.missing() or "installed")
def test_no_more_tasks_are_submitted_than_this_user_may(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    """`MaxSubmitJobs` of an association, in the accounting database; Slurm itself does not limit root."""
    cluster = make_cluster(max_submit=10, job_age=2)
    write(tmp_path, count := 30, 0.0)
    run, most = start(cluster, tmp_path, chunk=1, poll_seconds=1, account="lab"), 0
    while run.poll() is None:
        most = max(most, len(call(cluster, "squeue", "--noheader", "--array", "--format=%i")))
        time.sleep(0.3)
    log = (tmp_path / "run.log").read_text()
    assert run.returncode == 0, log[-3000:]
    assert len(list((tmp_path / "out" / "parts" / "wait").glob("[!.]*"))) == count
    print(f"\n{count} tasks with MaxSubmitJobs=10: at most {most} in the queue at the same time")
    assert 8 <= most <= 10 and "rejects" not in log


def call(cluster: Cluster, *command: str) -> list[str]:
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_1001_tasks_over_a_limit_of_1000_are_two_arrays(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    """Only submitted: another job has all nodes."""
    cluster = make_cluster(array_size=1001)
    call(cluster, "sbatch", "--exclusive", "--nodes=2", "--job-name=other", "--output=/dev/null", "--wrap=sleep 300")
    write(tmp_path, 1001, 0.0)
    run, deadline, began = start(cluster, tmp_path, chunk=1, poll_seconds=1), time.monotonic() + 300, time.monotonic()
    try:
        pending = ("squeue", "--noheader", "--array", "--states=pending", "--format=%F")
        while len(listed := call(cluster, *pending)) < 1001:
            assert run.poll() is None and time.monotonic() < deadline, (tmp_path / "run.log").read_text()[-3000:]
            time.sleep(0.5)
    finally:
        run.kill()
        run.wait()
    print(f"\n1,001 tasks submitted in {time.monotonic() - began:.1f} s as {dict(Counter(listed))}")
    assert sorted(Counter(listed).values()) == [1, 1000]


def test_no_more_tasks_are_submitted_than_jobs_may_exist(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    cluster = make_cluster(jobs=30, job_age=2)
    write(tmp_path, count := 80, 0.0)
    run, most = start(cluster, tmp_path, chunk=1, poll_seconds=1), 0
    while run.poll() is None:
        most = max(most, len(call(cluster, "squeue", "--noheader", "--array", "--states=all", "--format=%i")))
        time.sleep(0.5)
    log = (tmp_path / "run.log").read_text()
    assert run.returncode == 0, log[-3000:]
    assert len(list((tmp_path / "out" / "parts" / "wait").glob("[!.]*"))) == count
    print(f"\n{count} tasks with MaxJobCount=30: at most {most} in the queue at the same time")
    assert 20 <= most <= 27 and "are submitted when the cluster accepts further tasks" in log and "rejects" not in log
