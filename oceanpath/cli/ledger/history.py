"""The ledger, and the run in it, to which a command refers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.errors import ExperimentError
from oceanpath.pipeline import ledger_queries
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger, Row

Workspace = Annotated[Path, typer.Option("--workspace", metavar="DIR", help="Folder of all results.")]


def open_ledger(workspace: Path, more: Collection[str] | None = None) -> Ledger:
    """The ledger of a workspace, for reading runs and steps, and the tables `more`; None: all tables.

    Raises: ExperimentError: there is none.
    """
    path = workspace / "ledger.sqlite"
    if not path.is_file():
        do = "Run an experiment first, or name another workspace with --workspace."
        raise ExperimentError("there is no ledger in this workspace", where=workspace, do=do)
    return Ledger(path, read_only=True, tables=() if more is None else (*READ_BY_RUNS, *more))


def find_run(ledger: Ledger, which: str) -> Row:
    """A run by number, experiment or prefix of a fingerprint; empty: the last. Raises: ExperimentError: no such run."""
    run = ledger_queries.find_run(ledger, which)
    if run is None:
        got, do = which or "the ledger has no runs", "See `oceanpath ledger list`."
        raise ExperimentError("no run has this number, experiment or fingerprint", where="ledger", got=got, do=do)
    return run
