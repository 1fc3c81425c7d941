"""`oceanpath eval`: evaluate an experiment, or with ``--predictions`` a table from another program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.cli.experiments import print_status
from oceanpath.cli.options import Common, flag
from oceanpath.cli.outputs import prepare_folder
from oceanpath.cli.results import metrics_table
from oceanpath.cli.run import run_experiment
from oceanpath.cli.sealed import revealed
from oceanpath.cli.stand_alone import load_or_assume
from oceanpath.cli.table import paragraph
from oceanpath.errors import ExitCode
from oceanpath.stages.catalog import CATALOG
from oceanpath.tasks.registry import task_entry

if TYPE_CHECKING:
    from oceanpath.evaluation.prediction_file import PredictionColumns
    from oceanpath.pipeline.experiment import Experiment
    from oceanpath.stages.eval.settings import EvalSettings

FLAGS = (
    flag("predictions", Path | None, None, "Evaluate this table of predictions, one row per slide, without training."),
    flag("score", str, "", "Its column with the probability of the second class; default: one column per class."),
    flag("threshold", float | None, None, "Threshold from other data, for sensitivity and specificity."),
    flag("reveal", bool, False, "Predict and evaluate the test slides of an experiment with eval.sealed = true."),
    flag("out", Path | None, None, "Folder for metrics.json and the figures of --predictions.", metavar="DIR"),
)


def call(common: Common) -> int:
    """Evaluate the experiment, or the table."""
    if common.more["predictions"] is None:
        return run_experiment(revealed(common) if common.more["reveal"] else common, ("eval",))
    path, out = Path(common.more["predictions"]), common.more["out"]
    if out is not None:
        prepare_folder(Path(out))
    experiment = load_or_assume(common, "eval", enough=True)
    settings: EvalSettings = experiment.base.settings(CATALOG.stage("eval"))  # type: ignore[assignment]  # its stage's
    from oceanpath.evaluation.own_metrics import own_metrics  # loads scipy
    from oceanpath.evaluation.prediction_file import read_prediction_file
    from oceanpath.evaluation.report import build_report

    read = read_prediction_file(path, columns_of(experiment, common))
    for note in read.notes:
        print_status(f"{path.name}: {note}", quiet=common.quiet)
    report = build_report(settings, read.rows, {})
    report["notes"] += [note for note in read.notes if note.startswith("no_patients")]
    if report["operating_point"] is not None:
        report["operating_point"]["rule"] = "positive at or above a threshold that was stated by the user"
    if settings.metrics:
        report["own_metrics"] = own_metrics(settings, read.rows, settings.metrics)
    if out is not None:
        from oceanpath.artifacts.metrics import write_metrics
        from oceanpath.evaluation.figures import draw_all

        write_metrics(report, Path(out))
        draw_all(settings, read.rows, {}, report, Path(out))
    if common.as_json:
        print(json.dumps(report, sort_keys=True))
    elif not common.quiet:
        print(metrics_table(report, f"Test results of {path.name}", settings.confidence))
        if out is not None:
            print(paragraph(f"\nmetrics.json and figures in {out}"))
    return int(ExitCode.OK)


def columns_of(experiment: Experiment, common: Common) -> PredictionColumns:
    """How tables of predictions are read: by the keys of `[data]` that are set, otherwise by their usual names."""
    from oceanpath.evaluation.prediction_file import PredictionColumns

    data = experiment.base.value("data")
    named = {key: getattr(data, key) for key in ("slide_id", "patient_id", "label") if key in data.model_fields_set}
    keys = task_entry(data.task).keys
    return PredictionColumns(
        **named,
        score=str(common.more["score"]),
        task=data.task,
        task_settings={key: getattr(data, key) for key in keys},
        allow_missing=data.allow_missing,
        threshold=common.more.get("threshold"),
    )
