"""A ledger with many parts, written by the functions that a run uses, and the cost of the commands that read it.

The rows of part and artifact have the identity of a slide of `extract`; no folders are published for them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oceanpath.bench.cohort import write_cohort
from oceanpath.errors import AccidentError
from oceanpath.pipeline.fingerprint import fingerprint, numeric_libraries
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.workspace import Manifest

MAIN = "from oceanpath.cli import main; main()"
SLIDES, DIM = 16, 8
FEW = 100
"""Number of parts with which a command is compared."""
AT_ONCE = 1_000
"""Rows per transaction; a run writes one part per transaction."""
SINGLE = 200
"""Parts that are written in transactions of their own."""


@dataclass(frozen=True)
class LedgerCost:
    """The cost of one command with one number of parts in the ledger."""

    case: str
    way: str
    cpu_s: float
    """Processor time of the fastest call."""
    peak_mb: float
    """Largest resident memory, at least that of the measuring process."""
    times_few: float
    """Processor time as a multiple of that with `FEW` parts."""


def bench_ledger(folder: Path, rows: int, rounds: int) -> tuple[list[LedgerCost], dict[str, int]]:
    """Costs with `FEW` and with `rows` parts; facts about the file: its size, and the time of writing a part."""
    file, workspace = _experiment(folder), folder / "out"
    _call("run", str(file), "--workspace", str(workspace))
    costs: list[LedgerCost] = []
    few: dict[str, float] = {}
    written, seconds = 0, 0.0
    for target in (FEW, rows):
        started = time.perf_counter()
        _write(workspace / "ledger.sqlite", range(written, target), AT_ONCE)
        written, seconds = target, time.perf_counter() - started
        for way, command in _commands(file, workspace).items():
            calls = [_call(*command) for _ in range(rounds)]
            cpu, peak = min(cpu for cpu, _ in calls), max(peak for _, peak in calls)
            costs.append(LedgerCost(f"{target:,} parts", way, cpu, peak, cpu / few.setdefault(way, cpu)))
    size = (workspace / "ledger.sqlite").stat().st_size
    started = time.perf_counter()
    _write(workspace / "ledger.sqlite", range(rows, rows + SINGLE), 1)
    single = time.perf_counter() - started
    facts = {"rows": rows, "bytes": size, "bytes_per_part": size // rows}
    facts |= {"us_per_part": int(1e6 * seconds / (rows - FEW)), "us_per_transaction": int(1e6 * single / SINGLE)}
    return costs, facts


def _commands(file: Path, workspace: Path) -> dict[str, tuple[str, ...]]:
    on = ("--workspace", str(workspace))
    return {
        "run, nothing to do": ("run", str(file), *on),
        "ledger why": ("ledger", "why", str(file), *on),
        "ledger list": ("ledger", "list", *on),
        "ledger show": ("ledger", "show", "parts", *on),
        "ledger verify": ("ledger", "verify", *on),
    }


def _experiment(folder: Path) -> Path:
    """A small experiment that ends with `split`."""
    write_cohort(folder / "features", "contiguous", np.full(SLIDES, 20), DIM, "float16")
    rows = [f"slide_{n:05d},p{n // 2},{'AB'[n // 2 % 2]}" for n in range(SLIDES)]
    (folder / "cohort.csv").write_text("\n".join(["slide_id,patient_id,label", *rows]) + "\n")
    data = (
        f'[data]\nfeatures = "features"\nlabels = "{folder}/cohort.csv"\npatient_id = "patient_id"\nlabel = "label"\n'
    )
    file = folder / "small.toml"
    file.write_text(f'name = "small"\n{data}classes = ["A", "B"]\n[mmap]\n[split]\nfolds = 2\nval_fraction = 0.3\n')
    return file


def _write(path: Path, numbers: range, at_once: int) -> None:
    """Add a step of the experiment ``parts`` with one part per number, and the manifest of each."""
    with Ledger(path) as ledger:
        run = ledger.start_run("parts", "", "bench ledger")
        step = ledger.add_step(run, "extract", {}, position=0, stage="extract")
        for start in range(numbers.start, numbers.stop, at_once):
            with ledger.transaction():
                for number in range(start, min(start + at_once, numbers.stop)):
                    manifest = _manifest(number)
                    ledger.add_artifact(manifest)
                    ledger.add_part(step, f"slide_{number:07d}", manifest.fingerprint, "ok", 12.5)
        ledger.end_step(step, state="ok", seconds=1.0)
        ledger.end_run(run, "ok")


def _manifest(number: int) -> Manifest:
    settings = {
        "encoder": "uni2-h",
        "mpp": 0.5,
        "patch_px": 224,
        "overlap": 0,
        "segmentation": "otsu",
        "threshold": 0.2,
    }
    slide = {"path": f"slide_{number:07d}.svs", "size": 1_000_000_000 + number, "digest": f"{number:032x}"}
    identity = {"stage": "extract", "version": 5, "part": {"slide": slide, "settings": settings}}
    identity |= {"libraries": numeric_libraries()}
    files = {"features.h5": {"size": 9_000_000, "digest": f"{number:032x}"}}
    summary = {"lines": [f"slide_{number:07d}: 4,400 patches"], "metrics": {"patches": 4400}}
    return Manifest("extract", "part", 5, fingerprint(identity), identity, f"{number:032x}", files, summary)


def _call(*arguments: str) -> tuple[float, float]:
    """Processor time [s] and largest resident memory [MB] of a command in a process of its own."""
    command = [sys.executable, "-c", MAIN, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise AccidentError("a measured command failed", where=" ".join(arguments), got=process.returncode)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def ledger_table(costs: list[LedgerCost], facts: dict[str, int]) -> str:
    """The costs as a Markdown table, and a sentence about the file."""
    lines = ["| ledger | command | CPU s | x 100 parts | peak MB |", "|---|---|---|---|---|"]
    lines += [f"| {c.case} | {c.way} | {c.cpu_s:.2f} | {c.times_few:.2f} | {c.peak_mb:.0f} |" for c in costs]
    size = f"{facts['bytes'] / 1e6:,.0f} MB, {facts['bytes_per_part']} bytes per part"
    times = f"{facts['us_per_part']} us per part in transactions of {AT_ONCE:,}, {facts['us_per_transaction']} us alone"
    return "\n".join([*lines, "", f"{size}; written in {times}"])
