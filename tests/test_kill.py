"""Runs that are killed or interrupted lose nothing and leave no process: the same command ends as an undisturbed one.

OCEANPATH_KILLS says how many kills to try; ``nox -s kills`` tries twenty and interrupts every stage.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from oceanpath.pipeline.stage import JOURNAL
from oceanpath.pipeline.workspace import Workspace
from oceanpath.stages.catalog import CATALOG

from .conftest import bare_seconds

KILLS = int(os.environ.get("OCEANPATH_KILLS", "2"))
SMALL = """
name = "small"
[demo]
slides = 14
side_px = 1024
[data]
classes = ["normal", "tumour"]
[extract]
encoder = "hed_stats"
[mmap]
[split]
folds = 2
val_fraction = 0.34
[model]
hidden = 16
attention = 8
[train]
epochs = 3
[eval]
resamples = 200
"""
STAGES = [stage.name for stage in CATALOG.stages]
LATE = ["--set", "analyze.attention_slides=2", "--set", "export.opset=20"]
LATE += ("--set", 'curate.sources=["other"]', "--set", "curate.min_patches=1")
QUICK = ("curate", "mmap", "split")
ONLY = {"pretrain": ("--set", "pretrain.method=vicreg", "--set", "pretrain.epochs=4")}
"""Settings of stages that are part of an experiment only where they are asked for."""
LONG = {"train": ("--set", "train.epochs=100000", "--set", "train.patience=100000")}
"""A training that no test waits for: a step that ends before the signal is not interrupted."""
INTERRUPTED = STAGES if KILLS >= 20 else ["extract", "train"]
STOPPED = [("extract", "2", signal.SIGTERM), ("train", "2", signal.SIGKILL), ("train", "1", signal.SIGTERM)]
"""Stages, jobs and signals: every combination in ``nox -s kills``."""
if KILLS >= 20:
    STOPPED = list(itertools.product(("extract", "train"), ("1", "2"), (signal.SIGTERM, signal.SIGKILL)))
TRIES = 20 if KILLS >= 20 else 1
WORDS = "interrupted: finished results are kept; run the same command again to continue\n"


def start(file: Path, workspace: Path, *more: str) -> subprocess.Popen[str]:
    code = "from oceanpath.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(file), "--workspace", str(workspace), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def finish(file: Path, workspace: Path, *more: str) -> str:
    process = start(file, workspace, *more)
    out, error = process.communicate(timeout=280)
    assert process.returncode == 0, error
    return out


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, float]:
    """The experiment file, its metrics.json, and how long an undisturbed run takes."""
    folder = tmp_path_factory.mktemp("kill")
    (folder / "small.toml").write_text(SMALL)
    started = time.monotonic()
    finish(folder / "small.toml", folder / "undisturbed")
    metrics = (folder / "undisturbed" / "experiments" / "small" / "eval" / "metrics.json").read_bytes()
    return folder / "small.toml", metrics, time.monotonic() - started


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_metrics(undisturbed, tmp_path: Path) -> None:
    file, metrics, seconds = undisturbed
    moments = random.Random(0)
    died = 0
    for _ in range(KILLS):
        process = start(file, tmp_path / "out")
        try:
            process.wait(timeout=moments.uniform(0.05, max(3.0, 2 * seconds / KILLS)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            died += 1
        process.communicate()
        for manifest in (tmp_path / "out").glob("*/*/*/manifest.json"):
            json.loads(manifest.read_bytes())
    finish(file, tmp_path / "out")
    assert (tmp_path / "out" / "experiments" / "small" / "eval" / "metrics.json").read_bytes() == metrics
    assert not list((tmp_path / "out").rglob("*.partial"))
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("SELECT count(*) FROM run WHERE state = 'running'").fetchone() == (0,)
    db.close()
    print(f"{died} of {KILLS} runs were killed before they ended; metrics.json is equal, {len(metrics)} bytes")
    assert died > 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", INTERRUPTED)
def test_ctrl_c_in_a_stage_ends_with_130_and_a_rerun_goes_on(undisturbed, stage: str) -> None:
    file, _, _ = undisturbed
    workspace = file.parent / "interrupted"
    settings = (*LATE, *ONLY.get(stage, ()), "--to", stage)
    process = start(file, workspace, *settings)
    wait_for(process, stage)
    time.sleep(0.0 if stage in QUICK else 0.7)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error[-len(WORDS) :]) == (130, WORDS)
    assert clean(error), error
    assert states(workspace, stage) == ("interrupted", "interrupted")
    finish(file, workspace, *settings)


def wait_for(process: subprocess.Popen[str], stage: str) -> None:
    """Read the output of a run until a stage starts."""
    assert process.stderr is not None
    for line in process.stderr:
        if f"{stage}: " in line:
            return
    raise AssertionError(f"{stage} never began")


def clean(error: str) -> bool:
    """Whether a run that was stopped printed its progress only."""
    return not any(word in error for word in ("Traceback", "Error", "Exception", "resource_tracker", "leaked"))


def states(workspace: Path, stage: str) -> tuple[str, str]:
    """How the last run ended, and how its step did."""
    db = sqlite3.connect(workspace / "ledger.sqlite")
    run, state = db.execute("SELECT id, state FROM run ORDER BY id DESC LIMIT 1").fetchone()
    (step,) = db.execute("SELECT state FROM step WHERE run = ? AND name = ?", (run, stage)).fetchone()
    db.close()
    return state, step


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "jobs", "number"), STOPPED)
def test_no_process_outlives_a_run_that_is_stopped(undisturbed, stage: str, jobs: str, number: int) -> None:
    file, metrics, _ = undisturbed
    workspace, moments, slowest = file.parent / f"{stage}-{jobs}-{number}", random.Random(jobs), 0.0
    shutil.copytree(file.parent / "undisturbed", workspace, symlinks=True)
    for _ in range(TRIES):
        process = start(file, workspace, *LONG.get(stage, ()), "--jobs", jobs, "--force", stage, "--to", stage)
        wait_for(process, stage)
        time.sleep(moments.uniform(0, 0.5 if jobs == "1" else 3.0))
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        began = time.monotonic()
        _, error = process.communicate(timeout=30)  # every process that is left would hold its stderr open
        while not all(gone(member) for member in family):
            assert time.monotonic() - began < 60
        slowest = max(slowest, time.monotonic() - began)
        assert clean(error), error
        if number == signal.SIGKILL:
            assert process.returncode == -number
            continue
        assert (process.returncode, error[-len(WORDS) :]) == (128 + number, WORDS)
        assert states(workspace, stage) == ("interrupted", "interrupted")
    finish(file, workspace)
    assert (workspace / "experiments" / "small" / "eval" / "metrics.json").read_bytes() == metrics
    resumable = list(workspace.rglob("*.partial"))
    assert all((folder / JOURNAL).exists() for folder in resumable), "only work that can be resumed is kept"
    Workspace(workspace).remove_unfinished(journals=True)  # as `ledger prune` does
    assert not list(workspace.rglob("*.partial"))
    assert list((workspace / "locks").iterdir()) == []
    print(
        f"{TRIES} times signal {number} in {stage} with {jobs} jobs: all processes gone after {slowest:.1f} s at most"
    )
    assert slowest < 5 + 20 * bare_seconds(), "on a machine that others use too, everything takes longer"


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that waits to be collected has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
