"""`oceanpath serve` and `oceanpath predict`: a bundle at work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.commands import experiment_command
from oceanpath.cli.history import Workspace
from oceanpath.cli.options import OUTPUTS, Common
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.serving.settings import ServeSettings

Bundle = Annotated[
    Path | None, typer.Argument(metavar="[BUNDLE]", help="Bundle folder; default: that of the experiment.")
]
ExperimentFile = Annotated[Path | None, typer.Option("--experiment", "-e", help="Experiment whose bundle is used.")]
Features = Annotated[list[Path], typer.Argument(help="Feature files, or folders of them.")]


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

    folder = _bundle(bundle, experiment, workspace)
    settings = ServeSettings(host=host, port=port, allow_remote=allow_remote)
    listen(folder, settings, lambda text: print(f"serving {text}", file=sys.stderr, flush=True))
    return int(ExitCode.OK)


def predict(
    features: Features,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Bundle folder; default: that of the experiment.")
    ] = None,
    experiment: ExperimentFile = None,
    workspace: Workspace = OUTPUTS,
    out: Annotated[Path | None, typer.Option("--out", help="CSV to write; else it is printed.")] = None,
) -> int:
    """Predict slides from their features with a bundle; the same numbers as `serve` gives."""
    from oceanpath.artifacts.bundle import read_bundle
    from oceanpath.artifacts.feature_folder import find_features, passed_over
    from oceanpath.serving.engine import Engine
    from oceanpath.serving.offline import find_bundle, predict_table

    folder = find_bundle(_bundle(bundle, experiment, workspace))
    for place in (path for path in features if path.is_dir()):
        if others := passed_over(place, find_features(place).values()):
            print(f"not read in {place}: {others}", file=sys.stderr)
    table = predict_table(Engine(read_bundle(folder)), features)
    table.to_csv(out or sys.stdout, index=False)
    if out is not None:
        print(f"{len(table)} slides -> {out}", file=sys.stderr)
    return int(ExitCode.OK)


def _bundle(bundle: Path | None, experiment: Path | None, workspace: Path) -> Path:
    """The bundle that is meant: the one named, or the one the experiment exported."""
    if bundle is not None:
        return bundle
    common = Common(experiment, workspace=workspace)
    meant = common.load()
    folder = workspace / "experiments" / meant.name / "export"
    if not folder.is_dir():
        do = f"Export it with `{experiment_command('export', common, meant)}`, or name a bundle folder."
        raise ExperimentError("this experiment has no bundle yet", where=folder, do=do)
    return folder
