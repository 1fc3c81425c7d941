"""`oceanpath ledger`: what was run, when, why, and what came of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import Ledger

app = typer.Typer(help="What was run, when, why, and what came of it.", no_args_is_help=True, rich_markup_mode=None)
Workspace = Annotated[Path, typer.Option("--workspace", metavar="DIR", help="Where results are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[
    str, typer.Argument(metavar="[RUN|EXPERIMENT|FINGERPRINT]", help="Number, name or prefix; else the last run.")
]


@app.command()
def show(which: Which = "", workspace: Workspace = Path("outputs"), as_json: AsJson = False) -> int:
    """Steps of a run: state, seconds, memory, fingerprint, reason and figures."""
    with _open(workspace) as ledger:
        run = _find(ledger, which)
        steps = _steps(ledger, int(run["id"]))
    if as_json:
        print(json.dumps({**run, "steps": steps}))
        return 0
    print(f"run {run['id']}  {run['experiment']}  {run['state']}  {_when(run['started'])}  oceanpath {run['command']}")
    width = max((len(step["name"]) for step in steps), default=4)
    for step in steps:
        for line in _lines(step, width):
            print(f"  {line}".rstrip())
    return 0


def _lines(step: dict[str, Any], width: int) -> list[str]:
    """A step with its figures and parts, for a terminal."""
    seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
    memory = "" if step["peak_mb"] is None else f"{step['peak_mb']:.0f} MB"
    name = (step["fingerprint"] or "")[:12]
    margin = " " * (width + 2)
    lines = [
        f"{step['name']:<{width}}  {step['state']:<11} {seconds:>9} {memory:>9}  {name:<12}  {'; '.join(step['why'])}"
    ]
    if step["metrics"]:
        lines.append(margin + "  ".join(f"{key}={_number(value)}" for key, value in step["metrics"].items()))
    for part in step["parts"]:
        took = f"{part['seconds'] or 0:.1f} s"
        lines.append(f"{margin}· {part['key']:<24} {part['state']:<7} {took:>8}  {part['fingerprint'][:12]}")
    if step["error"]:
        lines.append(margin + step["error"])
    return lines


@app.command("list")
def list_runs(workspace: Workspace = Path("outputs"), as_json: AsJson = False) -> int:
    """All runs, newest first."""
    with _open(workspace) as ledger:
        sql = "SELECT id, experiment, state, started, ended, command, error FROM run ORDER BY id DESC"
        rows = ledger.rows(sql)
    if as_json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        took = f"{row['ended'] - row['started']:8.1f} s" if row["ended"] else ""
        print(f"{row['id']:>5}  {row['experiment']:<24} {row['state']:<12} {_when(row['started'])} {took:>10}")
    return 0


def _open(workspace: Path) -> Ledger:
    path = workspace / "ledger.sqlite"
    if not path.is_file():
        do = "Run an experiment first, or name another workspace with --workspace."
        raise ExperimentError("there is no ledger here", where=workspace, do=do)
    return Ledger(path, read_only=True)


def _find(ledger: Ledger, which: str) -> dict[str, Any]:
    """The run that is meant: by number, by experiment, by a fingerprint it made, or the last one."""
    order = "ORDER BY run.id DESC LIMIT 1"
    queries = [
        (f"SELECT * FROM run WHERE id = CAST(? AS INTEGER) {order}", which.isdigit()),
        (f"SELECT * FROM run WHERE experiment = ? {order}", bool(which)),
        (
            f"SELECT run.* FROM run JOIN step ON step.run = run.id WHERE step.fingerprint LIKE ? || '%' {order}",
            len(which) >= 4,
        ),
        (f"SELECT * FROM run WHERE ? = '' {order}", True),
    ]
    for sql, fits in queries:
        if fits and (rows := ledger.rows(sql, (which,))):
            return {**rows[0], "environment": json.loads(rows[0]["environment"])}
    raise ExperimentError(
        "no run fits", where="ledger", got=which or "an empty ledger", do="See `oceanpath ledger list`."
    )


def _steps(ledger: Ledger, run: int) -> list[dict[str, Any]]:
    columns = "id, name, stage, state, fingerprint, why, started, seconds, peak_mb, error"
    steps = ledger.rows(f"SELECT {columns} FROM step WHERE run = ? ORDER BY position", (run,))
    for step in steps:
        step["why"] = json.loads(step["why"])
        sql = "SELECT name, value, text FROM metric WHERE fingerprint = ? ORDER BY name"
        found = ledger.rows(sql, (step["fingerprint"],))
        step["metrics"] = {row["name"]: row["value"] if row["text"] is None else row["text"] for row in found}
        sql = "SELECT key, fingerprint, state, seconds, error FROM part WHERE step = ? ORDER BY key"
        step["parts"] = ledger.rows(sql, (step.pop("id"),))
    return steps


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
