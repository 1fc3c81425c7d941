"""`oceanpath ledger`: what was run, when, why, and what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli import ledger_ask, ledger_upkeep
from oceanpath.cli.history import AsJson, Workspace, find_run, open_ledger, steps_of
from oceanpath.errors import ExperimentError

app = typer.Typer(help="What was run, when, why, and what came of it.", no_args_is_help=True, rich_markup_mode=None)
Which = Annotated[
    str, typer.Argument(metavar="[RUN|EXPERIMENT|FINGERPRINT]", help="Number, name or prefix; else the last run.")
]
ledger_ask.register(app)
ledger_upkeep.register(app)


@app.command()
def show(which: Which = "", workspace: Workspace = Path("outputs"), as_json: AsJson = False) -> int:
    """Steps of a run: state, seconds, memory, fingerprint, reason and figures."""
    with open_ledger(workspace) as ledger:
        run = find_run(ledger, which)
        steps = steps_of(ledger, int(run["id"]))
    if as_json:
        print(json.dumps({**run, "steps": steps}))
        return 0
    print(f"run {run['id']}  {run['experiment']}  {run['state']}  {_when(run['started'])}  oceanpath {run['command']}")
    width = max((len(step["name"]) for step in steps), default=4)
    for step in steps:
        for line in _lines(step, width):
            print(f"  {line}".rstrip())
    return 0


@app.command("list")
def list_runs(
    workspace: Workspace = Path("outputs"),
    stage: Annotated[str, typer.Option(help="Only steps of this stage, with their metrics.")] = "",
    state: Annotated[str, typer.Option(help="Only what ended so: ok, fresh, failed, interrupted.")] = "",
    since: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Only what started on this day or later.")] = "",
    metric: Annotated[str, typer.Option(help="Show this metric of each step, best first.")] = "",
    as_json: AsJson = False,
) -> int:
    """Runs, newest first; with --stage or --metric the steps of all runs."""
    values = {"stage": stage, "state": state, "since": _seconds(since), "metric": metric}
    with open_ledger(workspace) as ledger:
        rows = ledger.rows(_STEPS if stage or metric else _RUNS, values)
    if as_json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        took = "" if row["seconds"] is None else f"{row['seconds']:.1f} s"
        value = "" if row["value"] is None else f"{metric}={row['value']:.4g}"
        name = f"{row['experiment']} {row['step'] or ''}".strip()
        head = f"{row['run']:>5}  {name:<32} {row['state']:<12} {_when(row['started'])} {took:>10}"
        print(f"{head}  {(row['fingerprint'] or '')[:12]:<12} {value}".rstrip())
    return 0


_RUNS = """
SELECT id AS run, experiment, NULL AS step, state, started, ended - started AS seconds, NULL AS fingerprint,
    NULL AS value, error FROM run
WHERE (:state = '' OR state = :state) AND started >= :since AND :stage = '' AND :metric = '' ORDER BY id DESC
"""
_STEPS = """
SELECT run.id AS run, experiment, step.name AS step, step.state, step.started, seconds, step.fingerprint, value,
    step.error
FROM step JOIN run ON run.id = step.run
LEFT JOIN metric ON metric.fingerprint = step.fingerprint AND metric.name = :metric
WHERE (:stage = '' OR stage = :stage) AND (:state = '' OR step.state = :state) AND step.started >= :since
    AND (:metric = '' OR value IS NOT NULL)
ORDER BY value DESC, step.id DESC
"""


def _lines(step: dict[str, Any], width: int) -> list[str]:
    """A step with its figures and parts, for a terminal."""
    seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
    memory = "" if step["peak_mb"] is None else f"{step['peak_mb']:.0f} MB"
    name = (step["fingerprint"] or "")[:12]
    margin = " " * (width + 2)
    why = "; ".join(step["why"])
    lines = [f"{step['name']:<{width}}  {step['state']:<11} {seconds:>9} {memory:>9}  {name:<12}  {why}"]
    if step["metrics"]:
        lines.append(margin + "  ".join(f"{key}={_number(value)}" for key, value in step["metrics"].items()))
    for part in step["parts"]:
        took = f"{part['seconds'] or 0:.1f} s"
        lines.append(f"{margin}· {part['key']:<24} {part['state']:<7} {took:>8}  {part['fingerprint'][:12]}")
    if step["error"]:
        lines.append(margin + step["error"])
    return lines


def _seconds(day: str) -> float:
    try:
        return time.mktime(time.strptime(day, "%Y-%m-%d")) if day else 0.0
    except ValueError as error:
        raise ExperimentError("not a day", where="--since", expected="YYYY-MM-DD", got=day) from error


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
