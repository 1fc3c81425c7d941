"""What is known to be wrong before any work, for commands that only look: all of it, then an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from oceanpath.cli.experiments import say
from oceanpath.errors import refuse
from oceanpath.pipeline.plan import Plan
from oceanpath.pipeline.preflight import run_preflight


def refuse_known(
    made: Plan, published: Mapping[str, Path], root: Path | None = None, *, as_json: bool = False, quiet: bool = False
) -> None:
    """Print what a look ahead finds worth a line.

    Raises: OceanPathError: something is wrong; where none of the experiment's data is on this machine, that alone is
        only printed.
    """
    found = run_preflight(made, published, root, verify=bool(made.experiment.base.value("runtime.verify")))
    absent = [f"not checked: {error.render()}" for error in found.absent]
    for line in [*found.notes, *absent]:
        say(line, quiet=quiet)
    if as_json:
        for problem in (each for error in found.problems for each in error.each or (error,)):
            print(json.dumps({"problem": problem.render()}))
    refuse(found.problems)
