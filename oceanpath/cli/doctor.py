"""`oceanpath doctor`: checks the installation, the machine and what an experiment needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oceanpath.cli.experiments import LOCAL
from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.table import paragraph
from oceanpath.errors import ExitCode, GateError
from oceanpath.pipeline.experiment import Experiment, load
from oceanpath.stages.catalog import CATALOG

if TYPE_CHECKING:
    from oceanpath.diagnosis.finding import Finding


def doctor(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[EXPERIMENT]", help="Experiment file; default: ./oceanpath.toml if there is one."),
    ] = None,
    workspace: Workspace = OUTPUTS,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Check the Slurm cluster, also if the experiment does not use it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check the installation and the machine, and what an experiment needs. Exit code 6 if something is missing."""
    from oceanpath.diagnosis.access import check_access
    from oceanpath.diagnosis.experiment import check_experiment
    from oceanpath.diagnosis.finding import State
    from oceanpath.diagnosis.installation import check_installation
    from oceanpath.diagnosis.machine import check_machine
    from oceanpath.diagnosis.workspace import check_workspace

    root = workspace.resolve()
    findings: list[Finding] = [*check_installation(), *check_machine(), *check_workspace(root), *check_access()]
    if file is None and LOCAL.is_file():
        file = LOCAL
    experiment = None if file is None else load(file, CATALOG, (), root)
    if experiment is not None:
        findings += check_experiment(experiment, root)
    findings += _check_cluster(experiment, root, requested=slurm)
    missing = [each for each in findings if each.state is State.MISSING]
    if as_json:
        print(json.dumps({"ok": not missing, "checks": [asdict(each) for each in findings]}, indent=2))
        return int(ExitCode.GATE if missing else ExitCode.OK)
    group = ""
    for each in findings:
        if each.group != group:
            group = each.group
            print(group)
        print(f"  {each.state:<8} {each.subject:<15} {each.text}")
        if each.do and each.state is not State.OK:
            print(paragraph(each.do, " " * 27))
    if missing:
        subjects = ", ".join(dict.fromkeys(f"{each.group} {each.subject}" for each in missing))
        raise GateError(f"{len(missing)} requirements are not met", got=subjects, do="The list above has the remedies.")
    return int(ExitCode.OK)


def _check_cluster(experiment: Experiment | None, root: Path, *, requested: bool) -> list[Finding]:
    """The cluster, if the experiment uses it or the command line asks for it."""
    runtime = experiment.base.value("runtime") if experiment else None
    if not requested and (runtime is None or runtime.executor != "slurm"):
        return []
    from oceanpath.diagnosis.cluster import check_cluster
    from oceanpath.pipeline.executors.slurm.options import parse_options

    return check_cluster(root, parse_options(runtime.slurm if runtime else {}))
