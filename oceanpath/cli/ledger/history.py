"""Asking the ledger: the run that is meant, and its steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import Ledger

Workspace = Annotated[Path, typer.Option("--workspace", metavar="DIR", help="Folder of all results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def open_ledger(workspace: Path) -> Ledger:
    """The ledger of a workspace, for reading. Raises: ExperimentError: there is none."""
    path = workspace / "ledger.sqlite"
    if not path.is_file():
        do = "Run an experiment first, or name another workspace with --workspace."
        raise ExperimentError("there is no ledger here", where=workspace, do=do)
    return Ledger(path, read_only=True)


def find_run(ledger: Ledger, which: str) -> dict[str, Any]:
    """The run that is meant: by number, by experiment, by the prefix of a fingerprint it has, or the last one.

    Raises: ExperimentError: none fits.
    """
    order = "ORDER BY run.id DESC LIMIT 1"
    by_print = "SELECT run.* FROM run JOIN step ON step.run = run.id WHERE step.fingerprint LIKE ? || '%'"
    queries = [
        (f"SELECT * FROM run WHERE id = CAST(? AS INTEGER) {order}", which.isdigit()),
        (f"SELECT * FROM run WHERE experiment = ? {order}", bool(which)),
        (f"{by_print} {order}", len(which) >= 4),
        (f"SELECT * FROM run WHERE ? = '' {order}", True),
    ]
    for sql, fits in queries:
        if fits and (rows := ledger.rows(sql, (which,))):
            return {**rows[0], "environment": json.loads(rows[0]["environment"])}
    do = "See `oceanpath ledger list`."
    raise ExperimentError("no run fits", where="ledger", got=which or "an empty ledger", do=do)


def steps_of(ledger: Ledger, run: int) -> list[dict[str, Any]]:
    """Steps of a run in plan order, each with its reasons, identity, metrics and parts."""
    columns = "id, name, stage, state, fingerprint, why, identity, started, seconds, peak_mb, error"
    steps = ledger.rows(f"SELECT {columns} FROM step WHERE run = ? ORDER BY position", (run,))
    for step in steps:
        step["why"], step["identity"] = json.loads(step["why"]), json.loads(step["identity"])
        sql = "SELECT name, value, text FROM metric WHERE fingerprint = ? ORDER BY name"
        found = ledger.rows(sql, (step["fingerprint"],))
        step["metrics"] = {row["name"]: row["value"] if row["text"] is None else row["text"] for row in found}
        sql = "SELECT key, fingerprint, state, seconds, error FROM part WHERE step = ? ORDER BY key"
        step["parts"] = ledger.rows(sql, (step.pop("id"),))
    return steps
