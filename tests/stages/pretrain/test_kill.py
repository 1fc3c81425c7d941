"""A killed pretraining is resumed by the next run, and its published bytes are those of an uninterrupted one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ...conftest import MAIN, Cohort
from .test_work import METHOD, MODEL, PRETRAIN, folder, without_split


def digest(cohort: Cohort) -> str:
    manifest = json.loads((folder(cohort, "pretrain") / "manifest.json").read_text())
    return str(manifest["digest"])


@pytest.mark.slow
def test_killed_and_resumed_is_uninterrupted(cohort: Cohort, tmp_path: Path) -> None:
    cohort.toml = f"{without_split(cohort)}{MODEL}{PRETRAIN}checkpoint_every = 1\n{METHOD}"
    keys = ("--set", "pretrain.max_steps=60")
    path = cohort.folder / "oceanpath.toml"
    path.write_text(cohort.toml)
    command = [sys.executable, "-c", MAIN, "run", str(path), "--workspace", str(cohort.folder / "out"), *keys]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    runs = cohort.folder / "out/runs/pretrain"
    limit = time.monotonic() + 240
    while not list(runs.glob(".*/last.ckpt")) and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(runs.glob(".*/last.ckpt")), "killed after its first checkpoint"
    assert not [path for path in runs.iterdir() if not path.name.startswith(".")], "killed before it was published"
    assert cohort.run(*keys) == 0
    resumed = digest(cohort)
    assert not list(runs.glob(".*")), "the interrupted folder was used"
    assert cohort.run(*keys, "--force", "pretrain") == 0
    assert digest(cohort) == resumed
