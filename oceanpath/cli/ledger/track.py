"""`oceanpath ledger track`: a run for MLflow or TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.ledger.history import Workspace, find_run, open_ledger
from oceanpath.cli.outputs import prepare_folder
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.ledger_queries import steps_of_run

RunName = Annotated[
    str, typer.Argument(metavar="[RUN|EXPERIMENT|FINGERPRINT]", help="Number, name or prefix; default: the last run.")
]


def track(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the tracker's files.")],
    to: Annotated[str, typer.Option("--to", help="Format: mlflow or tensorboard.")] = "mlflow",
    which: RunName = "",
    workspace: Workspace = Path("outputs"),
    as_json: JsonFlag = False,
) -> int:
    """Write settings, metrics and provenance of a run for MLflow or TensorBoard. Nothing is sent anywhere."""
    from oceanpath.reporting.trackers import WRITERS, tracked_run

    if to not in WRITERS:
        raise ExperimentError("unknown format", where="--to", expected=" or ".join(WRITERS), got=to)
    prepare_folder(out)
    with open_ledger(workspace) as ledger:
        run = find_run(ledger, which)
        steps = steps_of_run(ledger, int(run["id"]))
    tracked = tracked_run(run, steps)
    WRITERS[to](tracked, out)
    counts = {"settings": len(tracked.params), "metrics": len(tracked.metrics)}
    text = f"{out}: {tracked.name}, {counts['settings']} settings, {counts['metrics']} metrics"
    print_result(text, {"folder": out, "run": tracked.name, **counts}, as_json=as_json)
    return int(ExitCode.OK)
