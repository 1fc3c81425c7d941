"""Preflight checks for commands that run nothing: all notes are printed, all problems are one error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from oceanpath.cli.experiments import print_status
from oceanpath.errors import refuse
from oceanpath.pipeline.plan import Plan
from oceanpath.pipeline.preflight import run_preflight


def check_preflight(
    planned: Plan,
    published: Mapping[str, Path],
    root: Path | None = None,
    *,
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Print the notes of the preflight.

    Raises: OceanPathError: there are problems. If no data of the experiment is on this machine, only a note is printed.
    """
    result = run_preflight(planned, published, root, verify=bool(planned.experiment.base.value("runtime.verify")))
    absent = [f"not checked: {error.render()}" for error in result.absent]
    for line in [*result.notes, *absent]:
        print_status(line, quiet=quiet)
    if as_json:
        for problem in (part for error in result.problems for part in error.each or (error,)):
            print(json.dumps({"problem": problem.render()}))
    refuse(result.problems)
