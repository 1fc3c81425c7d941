"""`oceanpath ledger serve`: recorded runs as web pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.ledger.history import Workspace, open_ledger
from oceanpath.errors import ExitCode


def register(app: typer.Typer) -> None:
    """Add this verb to `app`."""
    app.command()(serve)


def serve(
    workspace: Workspace = Path("outputs"),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8001,
) -> int:
    """Show recorded runs as web pages on this machine: results, lineage, comparisons, reports, runs under way."""
    from oceanpath.ledger_page.server import serve as listen

    open_ledger(workspace).close()
    listen(workspace.resolve(), port, lambda url: print(f"ledger of {workspace} at {url}", file=sys.stderr, flush=True))
    return int(ExitCode.OK)
