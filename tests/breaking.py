"""Runs that are killed, or refused by the disk, at any system call: counted and broken by strace.

strace counts the calls of each thread for itself, so a victim must write from one thread for every point to be found.
OCEANPATH_CRASH=all (``nox -s crash``) tries every point of every kind, OCEANPATH_CRASH=kill every point at which it can
be killed; otherwise a few of each call are tried.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oceanpath.pipeline import maintenance
from oceanpath.pipeline.workspace import Workspace, read_manifest

ROOT = Path(__file__).resolve().parents[1]
ALL = os.environ.get("OCEANPATH_CRASH") in ("all", "kill")
CALLS = ("write", "pwrite64", "fsync", "rename", "mkdir", "rmdir", "unlink", "ftruncate", "symlink")
KINDS = ("signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS")
TRIED = {"all": KINDS, "kill": KINDS[:1]}.get(os.environ.get("OCEANPATH_CRASH", ""), KINDS[:2])
FEW = 2
"""Points a system call and kind, where not all are tried."""

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@dataclass(frozen=True)
class Victim:
    """A program that is broken, in a project folder made for it; its workspace is the folder `out` there."""

    code: str
    """Python, with the folder as its argument; an error that it expects it tells after ``told:`` on stderr."""
    project: Callable[[Path], Path]
    """Make the folder."""
    outputs: Callable[[Path], Any]
    """What the program gave there, as far as an undisturbed run must give the same."""
    hold: Callable[[Path], None]
    """What must be true there whenever a process is gone."""
    rerun: Callable[[Path], int] | None = None
    """Run it undisturbed within this process, which is faster; returns its exit code."""

    def run(self, folder: Path, *strace: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, or to the point at which it is broken."""
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [*strace, sys.executable, "-c", self.code, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=120)

    def whole(self, folder: Path) -> None:
        """Run it undisturbed."""
        if self.rerun is not None:
            assert self.rerun(folder) == 0
            return
        said = self.run(folder)
        assert said.returncode == 0, said.stderr

    def points(self, folder: Path, call: str) -> int:
        """How often an undisturbed run makes a system call."""
        log = folder / "calls.log"
        traced = ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={call}")
        assert self.run(self.project(folder / "count"), *traced).returncode == 0
        return sum(f"{call}(" in line for line in log.read_text().splitlines())


def break_everywhere(victim: Victim, call: str, top: Path, kinds: tuple[str, ...] = TRIED) -> None:
    """Break a victim at the points of a system call: what holds, holds, and a rerun ends as an undisturbed run."""
    whole = victim.project(top / "whole")
    victim.whole(whole)
    wanted = victim.outputs(whole)
    total, tried, broken = victim.points(top, call), 0, 0
    for kind in kinds:
        for number in range(1, total + 1, 1 if ALL else max(1, total // FEW)):
            folder = victim.project(top / f"{kind}-{number}")
            broken += _break(victim, folder, f"inject={call}:{kind}:when={number}")
            assert victim.outputs(folder) == wanted
            shutil.rmtree(folder)
            tried += 1
    print(f"{call}: {tried} breaks ({', '.join(kinds)}) at {total} points, {broken} ended the run, all survived")
    assert broken > 0


def _break(victim: Victim, folder: Path, inject: str) -> bool:
    """Break one run and let another follow; returns whether the first was ended by it."""
    call = inject.split(":")[0].removeprefix("inject=")
    traced = ("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)
    said = victim.run(folder, *traced)
    if "signal=KILL" not in inject and said.returncode:
        assert "told: " in said.stderr, f"{inject}\n{said.stderr}"
    victim.hold(folder)
    victim.whole(folder)
    victim.hold(folder)
    return said.returncode != 0


def used(folder: Path) -> dict[str, str]:
    """Step → output digest of what the experiment uses."""
    found = {link.name: read_manifest(link.resolve()) for link in maintenance.links(Workspace(folder / "out"))}
    return {name: manifest.digest for name, manifest in found.items() if manifest}


def hold(folder: Path) -> None:
    """What is published is whole, and the ledger can be read."""
    workspace = Workspace(folder / "out")
    for place in maintenance.published(workspace):
        assert read_manifest(place) is not None
    assert not [finding for finding in maintenance.verify(workspace, deep=True) if "gone" not in finding.problem]
    if workspace.ledger.exists():
        db = sqlite3.connect(workspace.ledger)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
