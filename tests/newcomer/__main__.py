"""A newcomer's first hour, in a new environment: docs/first-report.md on real features, and `init` on other tables.

usage: python -m tests.newcomer [SHARED]
SHARED: folder with tools/lung_to_h5.py and data/tcga_metadata; default: ../shared
"""

from __future__ import annotations

import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..conftest import ROOT
from .page import examples, first_difference
from .program import Program, install
from .tables import try_tables

LIMIT = 600
"""Seconds from the installation to the report."""


def main() -> None:
    shared = Path(sys.argv[1]) if sys.argv[1:] else ROOT.parent / "shared"
    tool = shared / "tools" / "lung_to_h5.py"
    if not tool.is_file():
        sys.exit(f"skipped: the features of TCGA lung are not here; expected {tool}")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        cohort = scratch / "lung"
        subprocess.run([sys.executable, tool, cohort], check=True)
        started = time.monotonic()
        program = install(scratch)
        print(f"{time.monotonic() - started:4.0f} s  pip install", flush=True)
        problems = follow_page(program, cohort)
        seconds = time.monotonic() - started
        print(
            f"{seconds:4.0f} s  from the installation to the report, {_processor_time():.0f} s of one processor",
            flush=True,
        )
        assert (cohort / "outputs" / "reports" / "lung" / "report.html").stat().st_size > 100_000
        for table, outcome in try_tables(program, shared / "data" / "tcga_metadata", scratch):
            print(f"{table}: {outcome}", flush=True)
    if problems or seconds > LIMIT:
        sys.exit("\n".join([*problems, f"{seconds:.0f} s; expected at most {LIMIT} s"]))


def _processor_time() -> float:
    """Processor time of all child processes that have ended, seconds: on a busy machine the elapsed time is longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def follow_page(program: Program, folder: Path) -> list[str]:
    """Run the commands of the page; returns the differences from the output that it shows."""
    problems = []
    for example in examples()[1:]:
        started = time.monotonic()
        output = program.run(shlex.split(example.command)[1:], folder)
        print(f"{time.monotonic() - started:4.0f} s  {example.command}", flush=True)
        if output.code:
            sys.exit("\n".join([example.command, *output.lines]))
        if difference := first_difference(example.lines, output.lines):
            problems.append(f"{example.command}: the page shows {difference}")
    return problems


if __name__ == "__main__":
    main()
