"""`oceanpath serve`: serve a bundle over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.published import published_folder
from oceanpath.errors import ExitCode
from oceanpath.serving.settings import ServeSettings

Bundle = Annotated[
    Path | None, typer.Argument(metavar="BUNDLE", help="Bundle folder; default: that of the experiment.")
]
ExperimentFile = Annotated[Path | None, typer.Option("--experiment", "-e", help="Experiment whose bundle is used.")]


def serve(
    bundle: Bundle = None,
    experiment: ExperimentFile = None,
    workspace: Workspace = OUTPUTS,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Accept connections from other machines.")
    ] = False,
) -> int:
    """Serve a bundle over HTTP: GET /health, GET /model, POST /predict."""
    from oceanpath.serving.server import serve as listen

    folder = bundle_folder(bundle, experiment, workspace)
    settings = ServeSettings(host=host, port=port, allow_remote=allow_remote)
    listen(folder, settings, lambda text: print(f"serving {text}", file=sys.stderr, flush=True))
    return int(ExitCode.OK)


def bundle_folder(bundle: Path | None, experiment: Path | None, workspace: Path) -> Path:
    """The named bundle, or that of the experiment."""
    if bundle is not None:
        return bundle
    return published_folder("export", experiment, workspace, "bundle", "Export it with `{}`, or name a bundle folder.")
