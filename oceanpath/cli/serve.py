"""`oceanpath serve`: serve bundles over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.published import published_folder
from oceanpath.errors import ExitCode
from oceanpath.serving.settings import KEY_VARIABLE, ServeSettings, read_keys

Bundles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[[NAME=]BUNDLE]...", help="Bundle folders, optionally with names; default: that of the experiment."
    ),
]
ExperimentFile = Annotated[Path | None, typer.Option("--experiment", "-e", help="Experiment whose bundle is used.")]


def serve(
    bundles: Bundles = None,
    experiment: ExperimentFile = None,
    workspace: Workspace = OUTPUTS,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Accept connections from other machines.")
    ] = False,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help=f"File of accepted keys, one per line; default: the key in the variable {KEY_VARIABLE}."),
    ] = None,
    audit_log: Annotated[
        Path | None, typer.Option(help="File to which a line of JSON per predicted slide is appended.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of feature files, or store, whose slides are predicted by id."),
    ] = None,
    slides: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of slides, whose pixels the page shows.")
    ] = None,
    features_key: Annotated[str, typer.Option(help="Name of the features in files with several candidates.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that answer requests.")] = 1,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Number of requests in progress per worker; others receive status 429.")
    ] = 8,
    max_patches: Annotated[int, typer.Option(min=1, help="Maximum number of patches per slide.")] = 200_000,
) -> int:
    """Serve bundles over HTTP: POST /predict, GET /health, /models, /metrics."""
    from oceanpath.serving.models import parse_source
    from oceanpath.serving.server import serve as listen

    sources = bundles or [str(bundle_folder(None, experiment, workspace))]
    settings = ServeSettings(
        host=host,
        port=port,
        allow_remote=allow_remote,
        keys=read_keys(api_key_file),
        audit_log=audit_log,
        features=features,
        features_key=features_key,
        slides=slides,
        workers=workers,
        max_waiting=max_waiting,
        max_patches=max_patches,
    )
    listen(
        [parse_source(source) for source in sources],
        settings,
        lambda text: print(f"serving {text}", file=sys.stderr, flush=True),
    )
    return int(ExitCode.OK)


def bundle_folder(bundle: Path | None, experiment: Path | None, workspace: Path) -> Path:
    """The named bundle, or that of the experiment."""
    if bundle is not None:
        return bundle
    return published_folder("export", experiment, workspace, "bundle", "Export it with `{}`, or name a bundle folder.")
