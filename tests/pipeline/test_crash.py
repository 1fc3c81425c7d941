"""Killed, or refused by the disk, at any system call of a run: the old state or the new one, and a rerun ends right.

The system calls are counted and broken by strace. OCEANPATH_CRASH=all (``nox -s crash``) tries every point of every
kind; otherwise every few are tried.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from oceanpath.pipeline import stock
from oceanpath.pipeline.workspace import Workspace, read_manifest

ROOT = Path(__file__).resolve().parents[2]
ALL = os.environ.get("OCEANPATH_CRASH") == "all"
CALLS = ("write", "pwrite64", "fsync", "rename", "mkdir", "link", "unlink", "ftruncate", "symlink")
KINDS = ("signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS")
TRIED = KINDS if ALL else KINDS[:2]
FEW = 2
"""Points a system call and kind, where not all are tried."""
VICTIM = """
import sys
from pathlib import Path
from tests.pipeline.conftest import House
from oceanpath.errors import OceanPathError
try:
    states = House(Path(sys.argv[1])).go()
except OceanPathError as error:
    sys.exit(f"told: {error}")
failed = [state.error for state in states.values() if state.error]
sys.exit(f"told: {failed[0]}" if failed else 0)
"""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def run(folder: Path, *strace: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    command = [*strace, sys.executable, "-c", VICTIM, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "words.txt").write_text("abba\nsecond line\n")
    (folder / "toy.toml").write_text('name = "toy"\n[data]\nwords = "words.txt"\n[read]\n[count]\n[report]\n')
    return folder


def outputs(folder: Path) -> dict[str, str]:
    """Step → output digest of what the experiment uses."""
    found = {link.name: read_manifest(link.resolve()) for link in stock.links(Workspace(folder / "out"))}
    return {name: manifest.digest for name, manifest in found.items() if manifest}


def hold(folder: Path) -> None:
    """What must be true whenever a process is gone."""
    workspace = Workspace(folder / "out")
    for place in stock.published(workspace):
        assert read_manifest(place) is not None
    assert not [finding for finding in stock.verify(workspace, deep=True) if "gone" not in finding.problem]
    if workspace.ledger.exists():
        db = sqlite3.connect(workspace.ledger)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()


def points(folder: Path, call: str) -> int:
    """How often an undisturbed run makes a system call."""
    log = folder / "calls.log"
    assert run(project(folder / "count"), "strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}").returncode == 0
    return sum(f"{call}(" in line for line in log.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_broken_at_any_point_it_is_the_old_state_or_the_new(call: str, tmp_path: Path) -> None:
    run(project(tmp_path / "whole"))
    wanted = outputs(tmp_path / "whole")
    assert set(wanted) == {"read", "count", "report"}
    total, tried, broken = points(tmp_path, call), 0, 0
    for kind in TRIED:
        for number in range(1, total + 1, 1 if ALL else max(1, total // FEW)):
            folder = project(tmp_path / f"{kind}-{number}")
            inject = f"inject={call}:{kind}:when={number}"
            said = run(folder, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)
            broken += said.returncode != 0
            if kind != "signal=KILL" and said.returncode:
                assert "told: " in said.stderr, f"{inject}\n{said.stderr}"
            hold(folder)
            again = run(folder)
            assert again.returncode == 0, f"{inject}\n{again.stderr}"
            hold(folder)
            assert outputs(folder) == wanted
            shutil.rmtree(folder)
            tried += 1
    print(f"{call}: {tried} of {total * len(KINDS)} points tried, {broken} ended the run, all survived")
    assert broken > 0
