"""A run with nothing to do whose step has many published parts. `nox -s parts` starts it with 100,000."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..conftest import ROOT

PARTS = int(os.environ.get("OCEANPATH_PARTS", "0"))
FEW, ROUNDS = 100, 3


def run(folder: Path) -> float:
    """Run the experiment of waiting parts in a process of its own; returns the processor time [s]."""
    code = f"from tests.slurm import waiting; waiting.main({str(folder)!r}, {{}}, 'inline')"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


@pytest.mark.skipif(not PARTS, reason="run by `nox -s parts`")
def test_a_run_with_nothing_to_do_costs_at_most_five_times_as_much_with_many_parts(tmp_path: Path) -> None:
    spent = {}
    for count in (FEW, PARTS):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "wait.toml").write_text(f'name = "wait"\n[data]\n[wait]\ncount = {count}\n')
        started = time.monotonic()
        first = run(folder)
        parts = folder / "out" / "parts" / "wait"
        assert sum(1 for _ in os.scandir(parts)) == count
        spent[count] = min(run(folder) for _ in range(ROUNDS))
        print(f"\n{count:,} parts: computed in {time.monotonic() - started:.0f} s ({first:.0f} s of processor time)")
        print(f"{count:,} parts: a run with nothing to do takes {spent[count]:.2f} s of processor time")
    print(f"{spent[PARTS] / spent[FEW]:.2f} times that with {FEW} parts")
    assert spent[PARTS] <= 5 * spent[FEW]
