"""`oceanpath ledger diff|why|export`: differences of two runs, reasons to run, and the history for other tools."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger.history import Workspace, find_run, open_ledger
from oceanpath.cli.options import FILE, Common, verb
from oceanpath.cli.table import paragraph
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.explain import step_difference
from oceanpath.pipeline.ledger_queries import steps_of_run, whole_history
from oceanpath.pipeline.plan import plan
from oceanpath.pipeline.status import inspect_plan

Run = Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT|FINGERPRINT", help="Number, name or prefix.")]


def register(app: typer.Typer) -> None:
    """Add these verbs to `app`."""
    app.command()(diff)
    app.command("why", help="Print what would run and why.")(verb(_why, (FILE,)))
    app.command()(export)


def diff(a: Run, b: Run, workspace: Workspace = Path("outputs"), as_json: JsonFlag = False) -> int:
    """Compare settings, inputs, versions and metrics of two runs."""
    with open_ledger(workspace, ("metric", "part")) as ledger:
        runs = [find_run(ledger, which) for which in (a, b)]
        left, right = ({step["name"]: step for step in steps_of_run(ledger, int(run["id"]))} for run in runs)
    differences = {name: step_difference(left.get(name), right.get(name)) for name in {**left, **right}}
    if as_json:
        print(json.dumps({"a": runs[0]["id"], "b": runs[1]["id"], "steps": differences}))
        return int(ExitCode.OK)
    print(f"run {runs[0]['id']} ({runs[0]['experiment']})  ->  run {runs[1]['id']} ({runs[1]['experiment']})")
    for name, difference in differences.items():
        print(paragraph(f"{name}: {'; '.join(difference['changes']) or 'no change'}"))
        for metric, (old, new) in difference["metrics"].items():
            print(f"    {metric:<24} {_number(old):>12}  {_number(new):>12}")
    return int(ExitCode.OK)


def export(
    workspace: Workspace = Path("outputs"),
    form: Annotated[str, typer.Option("--format", help="Output format: json or csv.")] = "json",
) -> int:
    """Print every run, step and metric, as one JSON document or as CSV.

    CSV has one line per metric.
    """
    if form not in ("json", "csv"):
        raise ExperimentError("unknown format", where="--format", expected="json or csv", got=form)
    with open_ledger(workspace) as ledger:
        runs = whole_history(ledger)
    if form == "json":
        print(json.dumps(runs))
        return int(ExitCode.OK)
    writer = csv.writer(sys.stdout)
    writer.writerow(["run", "experiment", "step", "state", "fingerprint", "seconds", "metric", "value"])
    for run in runs:
        for step in run["steps"]:
            cells = (run["id"], run["experiment"], step["name"], step["state"], step["fingerprint"], step["seconds"])
            writer.writerows([(*cells, *metric) for metric in step["metrics"].items()] or [(*cells, "", "")])
    return int(ExitCode.OK)


def _why(common: Common) -> int:
    for state in inspect_plan(plan(common.load(), (), common.to), common.as_workspace(), common.force):
        if common.as_json:
            print(json.dumps({"step": state.step.name, "state": state.state, "why": state.why}))
        else:
            print(paragraph(f"{state.step.name}: {'; '.join(state.why) or 'fresh'}"))
    return int(ExitCode.OK)


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
