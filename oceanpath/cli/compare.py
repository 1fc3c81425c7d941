"""`oceanpath compare`: paired tests of models from experiments, fingerprints and tables of predictions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.eval import columns_of
from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS, Common
from oceanpath.cli.outputs import prepare_file, prepare_folder
from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExitCode, ExperimentError
from oceanpath.pipeline.experiment import without_file
from oceanpath.stages.catalog import CATALOG
from oceanpath.tasks.registry import read_entry

if TYPE_CHECKING:
    from oceanpath.evaluation.prediction_file import PredictionColumns


@dataclass(frozen=True)
class _Options:
    """How models are compared."""

    resamples: int
    confidence: float
    seed: int
    margin: float | None


def compare(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODELS", help="Experiments (NAME or NAME@VARIANT), fingerprints of train, or tables."),
    ] = None,
    pred_a: Annotated[Path | None, typer.Option("--pred-a", help="Table of predictions of the first model.")] = None,
    pred_b: Annotated[Path | None, typer.Option("--pred-b", help="Table of predictions of the second model.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="JSON file for the results.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for results and an HTML page.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Columns of tables: data.label=response.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", help="Largest acceptable loss, for a test of non-inferiority.")
    ] = None,
    resamples: Annotated[int, typer.Option("--resamples", min=100, help="Resamples of the patients.")] = 2000,
    confidence: Annotated[float, typer.Option("--confidence", help="Confidence level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resamples.")] = 42,
    workspace: Workspace = OUTPUTS,
    as_json: JsonFlag = False,
) -> int:
    """Compare models on the slides that all of them predicted, with paired tests and patients as clusters."""
    names = [*(models or ()), *(str(path) for path in (pred_a, pred_b) if path is not None)]
    if len(names) < 2:
        do = "Name experiments of the workspace or tables of predictions."
        raise ExperimentError("two models or more are needed", where="compare", got=len(names), do=do)
    if output is not None:
        prepare_file(output, "--output")
    if out is not None:
        prepare_folder(out)
    common = Common(sets=tuple(sets or ()), more={"score": ""})
    wanted = columns_of(without_file("compare", CATALOG, common.sets), common)
    report = _report(find_models(names, workspace), wanted, _Options(resamples, confidence, seed, margin))
    if out is not None:
        _draw(report, out)
        _write_page(report, out)
    for path in [*([output] if output else []), *([out / "comparison.json"] if out else [])]:
        path.write_text(json.dumps(report, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    print(json.dumps(report, sort_keys=True) if as_json else _text(report))
    return int(ExitCode.OK)


def find_models(names: list[str], workspace: Path) -> dict[str, Path]:
    """Name of a model → its table, or the folder that `train` published.

    Raises: ExperimentError: there is none, or two are the same.
    """
    found = {_label(name): _find(name, workspace) for name in names}
    if len({path.resolve() for path in found.values()}) < len(names):
        raise ExperimentError("the same predictions are named twice", where="compare", got=", ".join(names))
    return found


def _label(name: str) -> str:
    path = Path(name)
    return path.stem if path.is_file() else name


def _find(name: str, workspace: Path) -> Path:
    if Path(name).is_file():
        return Path(name)
    experiment, _, variant = name.partition("@")
    step = f"train@{variant}" if variant and variant != "base" else "train"
    candidates = [Path(name), Path(name) / "train", workspace / "experiments" / experiment / step]
    candidates += sorted((workspace / "runs" / "train").glob(f"{name}*")) if name.isalnum() else []
    folders = [path for path in candidates if (path / "cv_results.json").is_file()]
    if folders:
        return folders[0]
    expected = "a table, an experiment of the workspace with [train], or the fingerprint of its result"
    do = "See `oceanpath ledger list`."
    raise ExperimentError("there are no such predictions", where=workspace, expected=expected, got=name, do=do)


def _report(paths: dict[str, Path], wanted: PredictionColumns, options: _Options) -> dict[str, Any]:
    from oceanpath.evaluation.comparison import comparison_report
    from oceanpath.evaluation.joined_models import join_models, read_model

    rows, notes = join_models([read_model(name, path, wanted) for name, path in paths.items()])
    return comparison_report(options, rows, notes)


def _text(report: dict[str, Any]) -> str:
    from oceanpath.evaluation.comparison import table_rows

    title, first = read_entry(report, "compare").main[1], report["pairs"][0]
    head = ("model", title, "difference to the best", "p")
    lines = [f"{first['n']} slides of {first['n_patients']} patients", "", table(head, table_rows(report)), ""]
    confidence = f"{100 * report['confidence']:g} %"
    family = f"{report['family']} tests of {len(report['pairs'])} pairs"
    note = f"In parentheses: {confidence} intervals; patients are the independent units. p: two-sided,"
    lines.append(paragraph(f"{note} Holm's adjustment over {family}."))
    if "mean_ranks" in report["ranks"]:
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in report["ranks"]["mean_ranks"].items())
        lines.append(paragraph(f"Mean ranks over {report['ranks']['test_sets']} test sets: {ranks}."))
    return "\n".join([*lines, *(paragraph(note) for note in report["notes"])])


def _draw(report: dict[str, Any], out: Path) -> None:
    from oceanpath.figures.comparison import draw_forest, draw_ranks

    title, first = read_entry(report, "compare").main[1], report["pairs"][0]
    counts = f"{first['n']} slides of {first['n_patients']} patients, {100 * report['confidence']:g} % intervals"
    rows = [_row(name, record) for name, record in report["models"].items() if record["value"] is not None]
    rows.sort(key=lambda row: -row.value)
    draw_forest(out / "forest.png", rows, title, counts)
    versus = [_row(name, record) for name, record in report["versus_best"].items() if record["value"] is not None]
    draw_forest(out / "differences.png", versus, f"{title} minus that of {report['best']}", counts, reference=0.0)
    if "mean_ranks" in report["ranks"]:
        ranks = report["ranks"]
        draw_ranks(
            out / "ranks.png",
            ranks["mean_ranks"],
            ranks["critical_difference"],
            f"{title} in {ranks['test_sets']} test sets",
        )


def _write_page(report: dict[str, Any], out: Path) -> None:
    from oceanpath.evaluation.comparison import table_rows
    from oceanpath.reporting.rankings import comparison_page

    page = comparison_page(report, table_rows(report), read_entry(report, "compare").main[1], out)
    (out / "report.html").write_text(page, encoding="utf-8")


def _row(name: str, record: dict[str, Any]) -> Any:
    from oceanpath.figures.comparison import ForestRow

    return ForestRow(name, record["value"], record["low"], record["high"])
