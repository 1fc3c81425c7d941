"""Runs on a real Slurm: published bytes are those of a local run, whatever is killed. `nox -s slurm` starts it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import PARTIAL, Workspace, read_manifest

from ..conftest import MAIN, ROOT, Cohort
from .cluster import Cluster, missing, tasks

REASON = missing() if os.environ.get("OCEANPATH_SLURM") else "run by `nox -s slurm`"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON)]
PRETRAINING = (
    "[pretrain]\nmax_steps = 6\nbatch_size = 4\nval_fraction = 0.3\nmonitor_every = 3\n"
    '[pretrain.method]\nname = "vicreg"\nhidden = 16\nout = 8\n'
)
TRAINING = (
    '[train]\nepochs = 1\nseeds = [0, 1, 2]\nweights_allow = ["seen_patients"]\n'
    "[model]\nhidden = 4\nattention = 4\n[eval]\nresamples = 100\n"
)
SLURM = '[runtime]\nexecutor = "slurm"\n[runtime.slurm]\npoll_seconds = 1\nattempts = 100\n'
KILLS = int(os.environ.get("OCEANPATH_KILLS", "20"))
EXPERIMENTS = os.environ.get("OCEANPATH_SLURM_EXPERIMENTS", "quickstart.toml").split(";")
"""Files in ``experiments/``, each with further options of ``oceanpath run``."""
OF_EXPERIMENTS = {"runtime.executor": '"slurm"', "runtime.slurm.poll_seconds": "1", "runtime.slurm.extract.chunk": "8"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def local(cohort: Cohort) -> dict[str, object]:
    """What a run in this process publishes."""
    (cohort.folder / "small.toml").write_text(cohort.toml + PRETRAINING + TRAINING)
    (cohort.folder / "cluster.toml").write_text('name = "small"\n' + cohort.toml + PRETRAINING + TRAINING + SLURM)
    process = start(cohort, "small.toml", "local", dict(os.environ))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return published(cohort.folder / "local")


def start(cohort: Cohort, file: str, workspace: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "run", str(cohort.folder / file), "--workspace"]
    return subprocess.Popen(
        [*command, str(cohort.folder / workspace)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def published(workspace: Path, name: str = "small") -> dict[str, object]:
    """Step → fingerprint, and the digest of every published file."""
    links = [link for link in maintenance.links(Workspace(workspace)) if link.parent.name == name]
    manifests = {link.name: read_manifest(link.resolve()) for link in links}
    return {step: (manifest.fingerprint, manifest.files) for step, manifest in manifests.items() if manifest}


def writing(workspace: Path) -> set[int]:
    """The processes that have an unfinished folder in a workspace: they compute a stage or a part."""
    return {int(path.name.split(".")[2].partition("-")[0]) for path in workspace.glob(f"*/*/.*{PARTIAL}")}


def test_the_bytes_are_those_of_a_local_run(cluster: Cluster, cohort: Cohort, local: dict[str, object]) -> None:
    process = start(cohort, "cluster.toml", "out", cluster.environment)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert published(cohort.folder / "out") == local


@pytest.mark.parametrize("command", EXPERIMENTS)
def test_the_bytes_of_an_experiment_are_those_of_a_local_run(cluster: Cluster, command: str, tmp_path: Path) -> None:
    """Locally, results of OCEANPATH_QUICKSTART are used where they are up to date."""
    file, *more = shlex.split(command)
    local, remote = tmp_path / "local", tmp_path / "slurm"
    if ready := os.environ.get("OCEANPATH_QUICKSTART"):
        shutil.copytree(ready, local, symlinks=True)
    sets = [text for key, value in OF_EXPERIMENTS.items() for text in ("--set", f"{key}={value}")]
    for workspace, options in ((local, []), (remote, sets)):
        started = time.monotonic()
        arguments = [str(ROOT / "experiments" / file), *more, *options, "--workspace", str(workspace)]
        done = subprocess.run([sys.executable, "-c", MAIN, "run", *arguments], env=cluster.environment)
        assert done.returncode == 0
        print(f"{file} in {workspace.name}: {time.monotonic() - started:.0f} s")
    name = tomllib.loads((ROOT / "experiments" / file).read_text())["name"]
    expected = published(local, name)
    assert expected and published(remote, name) == expected


def test_scripts_that_are_submitted_by_hand_give_the_same_bytes(
    cluster: Cluster, cohort: Cohort, local: dict[str, object]
) -> None:
    folder, on = cohort.folder / "jobs", ("--workspace", str(cohort.folder / "out"))
    arguments = ["run", str(cohort.folder / "cluster.toml"), *on, "--sbatch-only", str(folder), "--jobs", "3"]
    subprocess.run([sys.executable, "-c", MAIN, *arguments], env=cluster.environment, check=True)
    subprocess.run([str(folder / "submit.sh")], env=cluster.environment, check=True)
    deadline = time.monotonic() + 1500
    while subprocess.run(["squeue", "-h"], env=cluster.environment, capture_output=True).stdout:
        assert time.monotonic() < deadline
        time.sleep(1)
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    assert published(cohort.folder / "out") == local, logs[-3000:]


def test_the_doctor_finds_nothing_to_complain_about(cluster: Cluster, cohort: Cohort) -> None:
    arguments = ["doctor", "--slurm", "--json", "--workspace", str(cohort.folder / "out")]
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *arguments], env=cluster.environment, capture_output=True, text=True
    )
    checks = [each for each in json.loads(done.stdout)["checks"] if each["group"] == "cluster"]
    assert {each["state"] for each in checks} == {"ok"} and {"locks", "clock"} <= {each["subject"] for each in checks}


def test_nothing_is_lost_when_tasks_the_controller_and_the_run_are_killed(
    cluster: Cluster, cohort: Cohort, local: dict[str, object]
) -> None:
    """Every third kill is that of the run itself, every tenth that of the controller; tasks are killed at work."""
    kills, run = Counter[str](), start(cohort, "cluster.toml", "out", cluster.environment)
    deadline = time.monotonic() + 1500
    while time.monotonic() < deadline:
        time.sleep(0.7)
        if run.poll() is not None:
            if run.returncode == 0:
                break
            run.communicate()  # closes the pipes
            run = start(cohort, "cluster.toml", "out", cluster.environment)
        if kills.total() >= KILLS:
            continue
        if kills.total() % 10 == 9:
            cluster.kill("controller")
            cluster.start_controller()
            kills["controller"] += 1
        elif kills.total() % 3 == 2:
            run.kill()
            kills["run"] += 1
        elif working := [process for process in tasks() if process.pid in writing(cohort.folder / "out")]:
            working[0].send_signal(signal.SIGKILL)
            kills["task at work"] += 1
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    print(f"{kills.total()} kills {dict(kills)}")
    assert published(cohort.folder / "out") == local
    verified = subprocess.run(
        [sys.executable, "-c", MAIN, "ledger", "verify", "--deep", "--workspace", str(cohort.folder / "out")],
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
