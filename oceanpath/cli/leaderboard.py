"""`oceanpath leaderboard`: the models of a workspace, ranked on the slides that they were tested on."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger.history import Workspace, open_ledger
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.ledger_queries import whole_history

if TYPE_CHECKING:
    from oceanpath.evaluation.leaderboard import Entry

SCORED = ("train", "external")
DONE = ("ok", "fresh")
SEED_NOISE = "Within seed noise: the difference is below 1.96 SD sqrt(1/n + 1/m) for n and m seeds."
HEAD = ("cohort", "rank", "model", "seeds", "metric", "value", "SD over seeds", "difference to the best", "marks")


@dataclass(frozen=True)
class _Options:
    """How intervals are computed."""

    resamples: int
    confidence: float
    seed: int


def leaderboard(
    workspace: Workspace = OUTPUTS,
    every: Annotated[bool, typer.Option("--all", help="Also models with earlier settings of an experiment.")] = False,
    out: Annotated[Path | None, typer.Option("--csv", help="CSV file to write as well.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="HTML file to write as well.")] = None,
    resamples: Annotated[int, typer.Option("--resamples", min=100, help="Resamples of the patients.")] = 1000,
    confidence: Annotated[float, typer.Option("--confidence", help="Confidence level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resamples.")] = 42,
    as_json: JsonFlag = False,
) -> int:
    """Rank the models of all experiments: mean over seeds, difference to the best, and ties within noise."""
    for flag, path in (("--csv", out), ("--html", html)):
        if path is not None:
            prepare_file(path, flag)
    with open_ledger(workspace) as ledger:
        entries = find_entries(whole_history(ledger), workspace, every=every)
    if not entries:
        do = "Train a model with `oceanpath run` first."
        raise ExperimentError("no trained model is recorded and published", where=workspace, do=do)
    from oceanpath.evaluation.leaderboard import leaderboard as rank

    rows, problems = rank(entries, _Options(resamples, confidence, seed))
    for problem in problems:
        print(paragraph(f"left out: {problem}"), file=sys.stderr)
    cells = [_cells(row) for row in rows]
    if out is not None:
        with out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([HEAD, *cells])
    note = f"In parentheses: {100 * confidence:g} % intervals; patients are the independent units."
    note += f" Models share a rank unless the interval of their difference excludes 0. {SEED_NOISE}"
    if html is not None:
        from oceanpath.reporting.rankings import leaderboard_page  # loads Jinja2

        html.write_text(leaderboard_page(HEAD, cells, rows, note), encoding="utf-8")
    if as_json:
        print(json.dumps(rows))
        return int(ExitCode.OK)
    print(table(HEAD, cells, text=("cohort", "model")))
    print(f"\n{paragraph(note)}")
    return int(ExitCode.OK)


def find_entries(runs: Sequence[Mapping[str, Any]], workspace: Path, *, every: bool) -> list[Entry]:
    """The published predictions of all recorded models, one per model, cohort and seed, oldest experiment first.

    Runs that differ only in the seed are one model. Of an experiment with several settings, only those of its last run
    are listed, unless `every`; the others have the number of a run in their name.
    """
    from oceanpath.evaluation.leaderboard import Entry

    found: dict[tuple[str, str], dict[tuple[str, tuple[int, ...]], Path]] = {}
    last: dict[str, tuple[str, int]] = {}
    number_of: dict[tuple[str, str], int] = {}
    for run in runs:
        for name, settings, seeds, cohort, folder in _scored(run, workspace):
            found.setdefault((name, settings), {})[cohort, seeds] = folder
            number_of[name, settings] = run["id"]
            last[name] = (settings, run["id"])
    entries = []
    for (name, settings), cells in found.items():
        is_last = last[name][0] == settings
        if is_last or every:
            shown = name if is_last else f"{name}, run {number_of[name, settings]}"
            entries += [Entry(shown, seeds, cohort, folder) for (cohort, seeds), folder in cells.items()]
    return entries


def _scored(run: Mapping[str, Any], workspace: Path) -> Iterator[tuple[str, str, tuple[int, ...], str, Path]]:
    """Model, settings without the seeds, seeds, cohort and folder of the scored steps of a run."""
    steps = {step["name"]: step for step in run["steps"]}
    for step in steps.values():
        if step["stage"] not in SCORED or step["state"] not in DONE or not step["identity"]:
            continue
        stem, _, variant = step["name"].partition("@")
        _, _, cohort = stem.partition(".")
        trained = steps.get(f"train@{variant}" if variant else "train", steps.get("train"))
        folder = workspace / "runs" / step["stage"] / str(step["fingerprint"])
        if trained is None or not trained["identity"] or not folder.is_dir():
            continue
        settings = dict(trained["identity"]["settings"])
        name = run["experiment"] + (f"@{variant}" if variant else "")
        seeds = _take_seeds(settings)
        yield name, json.dumps(settings, sort_keys=True), seeds, cohort, folder


def _take_seeds(settings: dict[str, Any]) -> tuple[int, ...]:
    """Remove the seeds from settings of training; returns them."""
    experiment, own, several = (settings.pop(key, None) for key in ("experiment_seed", "seed", "seeds"))
    return tuple(several) if several else (int(own if own is not None else experiment or 0),)


def _cells(row: Mapping[str, Any]) -> list[str]:
    seeds = ", ".join(map(str, row["seeds"]))
    spread = "" if row["spread"] is None else f"{row['spread']:.3f}"
    versus = "best" if row["versus_best"] is None else _shown(row["versus_best"], "value", "+")
    if (row["versus_best"] or {}).get("is_within_seed_noise"):
        versus += ", within seed noise"
    facts = [row["cohort"], str(row["rank"]), row["model"], seeds, row["metric"]]
    return [*facts, _shown(row, "mean"), spread, versus, ", ".join(row["marks"])]


def _shown(record: Mapping[str, Any], key: str, sign: str = "") -> str:
    if record[key] is None:
        return "undefined"
    interval = "" if record["low"] is None else f" ({record['low']:{sign}.3f} to {record['high']:{sign}.3f})"
    return f"{record[key]:{sign}.3f}{interval}"
