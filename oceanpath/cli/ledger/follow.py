"""`oceanpath ledger show --follow`: changes of a run that another process computes, on this machine or another one."""

from __future__ import annotations

import json
import time
from pathlib import Path

from oceanpath.cli.ledger.history import find_run, open_ledger
from oceanpath.errors import StageError
from oceanpath.pipeline import ledger_queries
from oceanpath.pipeline.leases import runs
from oceanpath.pipeline.ledger import Ledger, Row
from oceanpath.pipeline.workspace import Workspace

INTERVAL_SECONDS = 2.0


def follow(workspace: Path, which: str, *, as_json: bool) -> int:
    """Print every change of the steps of a run until it has ended; returns its number.

    Raises: ExperimentError: no such run. StageError: the process of the run ended without recording the end.
    """
    used = Workspace(workspace.resolve())
    while not used.ledger.is_file() and runs(used):
        time.sleep(INTERVAL_SECONDS)
    shown: dict[str, str] = {}
    with open_ledger(workspace, ()) as ledger:
        while _is_unrecorded(ledger, used, which):
            time.sleep(INTERVAL_SECONDS)
        number = int(find_run(ledger, which)["id"])
        while True:
            users = runs(used)  # before the state: a run that ends in between is noticed as ended
            run = find_run(ledger, str(number))
            _print_changes(ledger_queries.progress_of_run(ledger, number), shown, as_json=as_json)
            if run["state"] != "running":
                return number
            if run["process"] not in users:
                what, do = "the process of this run ended without recording it", "`oceanpath run` continues it."
                raise StageError(what, where=f"run {number}", do=do)
            time.sleep(INTERVAL_SECONDS)


def _is_unrecorded(ledger: Ledger, workspace: Workspace, which: str) -> bool:
    """Whether a process has just started a run that is not in the ledger yet, and there is no other one to follow."""
    run = ledger_queries.find_run(ledger, which)
    recorded = ledger_queries.running_processes(ledger)
    return (run is None or run["state"] != "running") and not recorded.issuperset(runs(workspace))


def _print_changes(steps: list[Row], shown: dict[str, str], *, as_json: bool) -> None:
    for step in steps:
        counts = ", ".join(f"{count:,} parts {state}" for state, count in step["parts"].items())
        text = json.dumps(step) if as_json else f"{step['name']}: {', '.join(filter(None, (step['state'], counts)))}"
        if shown.get(step["name"]) != text:
            shown[step["name"]] = text
            print(text if as_json else f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
