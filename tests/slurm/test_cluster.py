"""Runs on a real Slurm: published bytes are those of a local run, whatever is killed. `nox -s slurm` starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace, read_manifest

from ..conftest import MAIN, Cohort
from .cluster import Cluster, missing, tasks

REASON = missing() if os.environ.get("OCEANPATH_SLURM") else "run by `nox -s slurm`"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
TRAINING = "[train]\nepochs = 1\nseeds = [0, 1, 2]\n[model]\nhidden = 4\nattention = 4\n[eval]\nresamples = 100\n"
SLURM = '[runtime]\nexecutor = "slurm"\n[runtime.slurm]\npoll_seconds = 1\nattempts = 20\n'
KILLS = int(os.environ.get("OCEANPATH_KILLS", "20"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def local(cohort: Cohort) -> dict[str, object]:
    """What a run in this process publishes."""
    (cohort.folder / "small.toml").write_text(cohort.toml + TRAINING)
    (cohort.folder / "cluster.toml").write_text('name = "small"\n' + cohort.toml + TRAINING + SLURM)
    process = start(cohort, "small.toml", "local", dict(os.environ))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return published(cohort, "local")


def start(cohort: Cohort, file: str, workspace: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "run", str(cohort.folder / file), "--workspace"]
    return subprocess.Popen(
        [*command, str(cohort.folder / workspace)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def published(cohort: Cohort, workspace: str) -> dict[str, object]:
    """Step → fingerprint, and the digest of every published file."""
    links = maintenance.links(Workspace(cohort.folder / workspace))
    manifests = {link.name: read_manifest(link.resolve()) for link in links}
    return {step: (manifest.fingerprint, manifest.files) for step, manifest in manifests.items() if manifest}


def test_the_bytes_are_those_of_a_local_run(cluster: Cluster, cohort: Cohort, local: dict[str, object]) -> None:
    process = start(cohort, "cluster.toml", "out", cluster.environment)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert published(cohort, "out") == local


def test_nothing_is_lost_when_tasks_the_controller_and_the_run_are_killed(
    cluster: Cluster, cohort: Cohort, local: dict[str, object]
) -> None:
    """Every third kill is that of the run itself, every tenth that of the controller."""
    killed, run = 0, start(cohort, "cluster.toml", "out", cluster.environment)
    deadline = time.monotonic() + 1500
    while time.monotonic() < deadline:
        time.sleep(0.7)
        if run.poll() is not None:
            if run.returncode == 0:
                break
            run = start(cohort, "cluster.toml", "out", cluster.environment)
        if killed >= KILLS:
            continue
        if killed % 10 == 9:
            cluster.kill("controller")
            cluster.start_controller()
        elif killed % 3 == 2:
            run.kill()
        elif running := tasks():
            running[0].send_signal(signal.SIGKILL)
        else:
            continue
        killed += 1
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    print(f"{killed} kills")
    assert published(cohort, "out") == local
    verified = subprocess.run(
        [sys.executable, "-c", MAIN, "ledger", "verify", "--deep", "--workspace", str(cohort.folder / "out")],
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
