"""`oceanpath ledger`: what was run, when, why, and with which results."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger import compare, maintenance, serve
from oceanpath.cli.ledger.follow import follow
from oceanpath.cli.ledger.history import Workspace, find_run, open_ledger
from oceanpath.cli.ledger.track import track
from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger_queries import list_runs as query_runs
from oceanpath.pipeline.ledger_queries import list_steps, steps_of_run

app = typer.Typer(help="Show, compare, check and prune recorded runs.", no_args_is_help=True, rich_markup_mode=None)
MOST_PARTS = 20
"""Number of parts of a step that are listed without --parts."""
RunName = Annotated[
    str, typer.Argument(metavar="[RUN|EXPERIMENT|FINGERPRINT]", help="Number, name or prefix; default: the last run.")
]
compare.register(app)
maintenance.register(app)
serve.register(app)
app.command()(track)


@app.command()
def show(
    which: RunName = "",
    workspace: Workspace = Path("outputs"),
    following: Annotated[
        bool, typer.Option("--follow", help="Print each change until the run has ended; also on another machine.")
    ] = False,
    parts: Annotated[
        bool, typer.Option("--parts", help=f"List all parts, also of steps with more than {MOST_PARTS}.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Show the steps of a run. State, time, memory, fingerprint, reason, metrics and parts of each step are listed."""
    if following:
        which = str(follow(workspace, which, as_json=as_json))
    with open_ledger(workspace, ("metric", "part")) as ledger:
        run = find_run(ledger, which)
        steps = steps_of_run(ledger, int(run["id"]))
    if as_json:
        print(json.dumps({**run, "steps": steps}))
        return 0
    heading = f"run {run['id']}  {run['experiment']}  {run['state']}  {_when(run['started'])}"
    print(heading, paragraph(f"oceanpath {run['command']}"), "", sep="\n")
    print(_steps_table(steps))
    sections = {"Metrics": _metrics(steps), "Parts": parts_table(steps, every=parts), "Errors": _errors(steps)}
    for title, lines in sections.items():
        if lines:
            print(f"\n{title}\n{lines}")
    return 0


@app.command("list")
def list_runs(
    workspace: Workspace = Path("outputs"),
    stage: Annotated[str, typer.Option(help="Only steps of this stage, with their metrics.")] = "",
    state: Annotated[str, typer.Option(help="Only this state: ok, fresh, failed or interrupted.")] = "",
    since: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Only runs from this day on.")] = "",
    metric: Annotated[str, typer.Option(help="Show this metric of each step, largest first.")] = "",
    as_json: JsonFlag = False,
) -> int:
    """List runs, newest first. With --stage or --metric, list the steps of all runs."""
    start = _start_of_day(since)
    with open_ledger(workspace, ("metric",)) as ledger:
        of_steps = bool(stage or metric)
        rows = list_steps(ledger, stage, state, start, metric) if of_steps else query_runs(ledger, state, start)
    if as_json:
        print(json.dumps(rows))
        return 0
    if not rows:
        print("no runs", file=sys.stderr)
        return 0
    header = ("run", "experiment", "step", "state", "started", "time", "fingerprint", metric or "value")
    print(table(header, [_row(row) for row in rows], text=("experiment", "step")))
    return 0


def _row(row: Mapping[str, Any]) -> list[str]:
    """One run or step of `ledger list`."""
    value = "" if row["value"] is None else f"{row['value']:.4g}"
    cells = [str(row["run"]), row["experiment"], row["step"] or "", row["state"], _when(row["started"])]
    return [*cells, _duration(row["seconds"]), _short(row["fingerprint"]), value]


def _steps_table(steps: list[dict[str, Any]]) -> str:
    rows = []
    for step in steps:
        memory = "" if step["peak_mb"] is None else f"{step['peak_mb']:.0f} MB"
        facts = (step["name"], step["state"], _duration(step["seconds"]), memory, _short(step["fingerprint"]))
        rows.append([*facts, "; ".join(step["why"])])
    return table(("step", "state", "time", "memory", "fingerprint", "why"), rows, text=("step", "why"))


def _metrics(steps: list[dict[str, Any]]) -> str:
    """``key=value`` of each step."""
    named = ((step["name"], step["metrics"]) for step in steps if step["metrics"])
    rows = [[name, "  ".join(f"{key}={_number(value)}" for key, value in metrics.items())] for name, metrics in named]
    return table(("step", "metrics"), rows, text=("metrics",)) if rows else ""


def parts_table(steps: Sequence[Mapping[str, Any]], *, every: bool) -> str:
    """The parts of each step; unless `every`, only those that are not complete, and counts, of a step with many."""
    rows, counts = list[list[str]](), list[str]()
    for step in steps:
        listed = step["parts"]
        if len(listed) > MOST_PARTS and not every:
            states = Counter(part["state"] for part in listed)
            counted = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            counts.append(f"{step['name']}: {len(listed)} parts, {counted}; --parts lists them")
            listed = [part for part in listed if part["state"] not in ("ok", "fresh")][:MOST_PARTS]
        rows += [
            [step["name"], part["key"], part["state"], _duration(part["seconds"]), _short(part["fingerprint"])]
            for part in listed
        ]
    tables = [table(("step", "part", "state", "time", "fingerprint"), rows, text=("part",))] if rows else []
    return "\n".join([*tables, *counts])


def _errors(steps: list[dict[str, Any]]) -> str:
    return "\n".join(paragraph(f"{step['name']}: {step['error']}") for step in steps if step["error"])


def _start_of_day(day: str) -> float:
    try:
        return time.mktime(time.strptime(day, "%Y-%m-%d")) if day else 0.0
    except ValueError as error:
        raise ExperimentError("this is not a date", where="--since", expected="YYYY-MM-DD", got=day) from error


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _short(fingerprint: str | None) -> str:
    """Enough of a fingerprint to identify it."""
    return (fingerprint or "")[:10]
