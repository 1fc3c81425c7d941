"""`oceanpath report`: one self-contained HTML page per experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.artifacts.analysis_plan import FILE as PLAN
from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.ledger.history import Workspace as WorkspaceFlag
from oceanpath.cli.ledger.history import find_run, open_ledger
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.outputs import prepare_file, prepare_folder
from oceanpath.cli.sealed import reveal_facts
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.integrity import verify_files
from oceanpath.pipeline.ledger import Row
from oceanpath.pipeline.ledger_queries import run_of_result

READ = ("metrics.json", "splits.json", "cv_results.json", "audit.json", "analysis.json", "bundle.json", "balance.csv")
"""Files whose digests are compared before they are read."""


def report(
    name: Annotated[
        str, typer.Argument(metavar="[EXPERIMENT]", help="Experiment (NAME or NAME@VARIANT); default: the last run.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="HTML file; default: reports/NAME/report.html.")] = None,
    workspace: WorkspaceFlag = OUTPUTS,
    as_json: JsonFlag = False,
) -> int:
    """Write the report of an experiment: one HTML file that needs no other file and no network."""
    with open_ledger(workspace) as ledger:
        if not name:
            name = str(find_run(ledger, "")["experiment"])
        folders = find_steps(workspace, name)
        reveals = reveal_facts(ledger, name.partition("@")[0])
        run = run_of_result(ledger, "eval", folders["eval"].resolve().name)
    path = workspace / "reports" / name / "report.html" if out is None else out
    if out is None:
        prepare_folder(path.parent)
    prepare_file(path)
    path.write_text(page(name, folders, None if run is None else {**run, "sealed": reveals}), encoding="utf-8")
    print_result(f"report in {path}", {"experiment": name, "report": path}, as_json=as_json)
    return int(ExitCode.OK)


def find_steps(workspace: Path, name: str) -> dict[str, Path]:
    """Step → published folder of an experiment; of a variant, its own steps and otherwise those of the base.

    Raises: ExperimentError: there is no such experiment, or it has no evaluation.
    """
    experiment, _, variant = name.partition("@")
    found: dict[str, Path] = {}
    for link in sorted((workspace / "experiments" / experiment).glob("[!.]*")):
        step, _, own = link.name.partition("@")
        if link.is_dir() and (own == variant or (not own and step not in found)):
            found[step] = link
    if "eval" not in found or (variant and not any(link.name.endswith(f"@{variant}") for link in found.values())):
        expected = "an experiment (NAME or NAME@VARIANT) of the workspace with the results of eval"
        do = "See `oceanpath ledger list`, and run `oceanpath eval` first."
        raise ExperimentError("there is no evaluation to report", where=workspace, expected=expected, got=name, do=do)
    if (found["eval"] / PLAN).is_file():
        do = "Reveal it with `oceanpath eval --reveal` when all models and the analysis plan are final."
        raise ExperimentError("the test of this experiment is sealed", where=workspace, got=name, do=do)
    return found


def page(name: str, folders: dict[str, Path], run: Row | None) -> str:
    """The page. Raises: ArtifactError: a published file is damaged."""
    for folder in folders.values():
        verify_files(folder, READ)
    from oceanpath.reporting.page import experiment_page
    from oceanpath.reporting.read import read_documents

    return experiment_page(read_documents(name, folders, _shown(run)))


def _shown(run: Row | None) -> dict[str, Any] | None:
    """The facts of a run that the page prints."""
    return None if run is None else {key: run[key] for key in ("id", "command", "environment", "sealed") if key in run}
