"""`oceanpath search`: the winners of the search of an experiment, and one of them as an experiment file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS, Common
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.published import published_folder
from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.stages.catalog import CATALOG

if TYPE_CHECKING:
    from oceanpath.stages.train.settings import TrainSettings


def search(
    experiment: Annotated[
        Path | None, typer.Option("--experiment", "-e", help="Experiment with a table [train.search].")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Experiment file to write, with one winner.")] = None,
    workspace: Workspace = OUTPUTS,
    as_json: JsonFlag = False,
) -> int:
    """Show the best settings of each fold after a run with a search, and write one winner as an experiment."""
    if out is not None:
        prepare_file(out)
    loaded = Common(experiment, workspace=workspace).load()
    settings: Any = loaded.base.settings(CATALOG.stage("train"))
    folder = published_folder("train", experiment, workspace, "search", "Train it with `{}`.")
    from oceanpath.artifacts.predictions import read_cv_results
    from oceanpath.pipeline.integrity import verify_files
    from oceanpath.stages.train.winner import common_winner, fold_winners, render_winner

    verify_files(folder, ["cv_results.json"])
    results = read_cv_results(folder)
    winners = fold_winners(results)
    if not winners or settings.search is None:
        do = "Add a table [train.search.space] with keys to vary, and run it again."
        raise ExperimentError("this experiment has no search", where=loaded.path, do=do)
    winner = common_winner(settings, winners)
    if out is not None:
        extends = Path(os.path.relpath(loaded.path.resolve(), out.resolve().parent)).as_posix()
        out.write_text(render_winner(loaded.name, extends, winner, len(winners)), encoding="utf-8")
    report = {"folds": [_facts(fold) for fold in results["per_fold"]], "winner": winner}
    print(json.dumps(report, sort_keys=True) if as_json else _text(report, settings, out))
    return int(ExitCode.OK)


def _facts(fold: dict[str, Any]) -> dict[str, Any]:
    return {"fold": fold["fold"], **fold["search"], "best_epoch": fold["best_epoch"], "val_loss": fold["val_loss"]}


def _text(report: dict[str, Any], settings: TrainSettings, out: Path | None) -> str:
    keys = list(report["winner"])
    rows = [
        [
            str(fold["fold"]),
            str(fold["trials"]),
            f"{fold['val_loss']:.3f}",
            *(_shown(fold["values"][key]) for key in keys),
        ]
        for fold in report["folds"]
    ]
    rows.append(["winner", "", "", *(_shown(report["winner"][key]) for key in keys)])
    lines = [table(("fold", "trials", "val loss", *keys), rows), ""]
    lines.append(paragraph(f"Trials are compared by {settings.monitor} of each fold's own inner validation set."))
    if len(report["folds"]) > 1:
        note = "One winner for all folds has seen the labels of tested patients: its numbers are marked as selected."
        lines.append(paragraph(note))
    return "\n".join([*lines, *([f"winner -> {out}"] if out else [])])


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
