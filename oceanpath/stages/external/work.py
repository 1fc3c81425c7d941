"""Score an external cohort: predictions of every model, their mean, metrics, baselines and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import metrics
from oceanpath.artifacts.external import check_predictions, write_external
from oceanpath.artifacts.folds import read_splits
from oceanpath.artifacts.patient_bags import copy_patient_bags
from oceanpath.artifacts.predictions import read_cv_results, read_predictions
from oceanpath.evaluation.decisions import add_decisions
from oceanpath.evaluation.figures import DECISIONS, draw_all, draw_decisions, pictures
from oceanpath.evaluation.pooled import DECIMALS, pool
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.summary import summarise
from oceanpath.figures.files import check_figure
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.external.cohorts import Cohorts, LabelledStore, read_cohorts
from oceanpath.stages.external.settings import ExternalSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import read_task

RULE = "; the thresholds of all models are averaged"


def run(settings: ExternalSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the predictions, metrics.json and the figures of one cohort below `out`.

    Raises: OceanPathError: as `read_cohorts` and `predict_members` do.
    """
    results, cohorts = read_cv_results(inputs["train"]), read_cohorts(settings, inputs)
    task = read_task(results, inputs["train"])
    members = _predict(settings, inputs["train"], cohorts.external, results["folds"], progress)
    # An external cohort selected nothing, whatever the tests of the training cohort selected.
    facts = {**results, "selected": False, "external": settings.cohort, "seen_in_pretraining": len(cohorts.seen)}
    fitted = task.targets(cohorts.training.slides.query("fitted")["label"].tolist())
    rows = _reported(facts, task.with_training([fitted]), members, write_external(members, out, task))
    rows = replace(rows, patient_aggregation=settings.patient_aggregation)
    baselines = _baselines(task, cohorts, progress)
    report = build_report(settings, rows, baselines)
    if report["operating_point"] is not None:
        report["operating_point"]["rule"] += RULE
    add_decisions(report, settings, rows, _val_rows(inputs["train"], task, results["folds"]), settings.cost_ratio)
    if cohorts.seen:
        report["seen_in_pretraining"] = len(cohorts.seen)
    report |= {"external": settings.cohort, "cohort_flow": read_splits(inputs["split"]).get("cohort_flow")}
    metrics.write_metrics(report, out)
    copy_patient_bags(inputs["split"], out)
    draw_all(settings, rows, baselines, report, out)
    draw_decisions(settings, report, out)
    lines, numbers = summarise(report, task)
    return Summary(tuple(lines), numbers)


def check(path: Path) -> None:
    """Read everything that was written.

    Raises: ArtifactError: a file is missing or damaged, or the files do not agree.
    """
    report = metrics.read_metrics(path)
    task = read_task(report, path)
    metrics.require(report, task.metrics, task.baselines, path)
    check_predictions(path, task)
    for name in (*pictures(task.name), *([DECISIONS] if "decision_curve" in report else [])):
        check_figure(path / name)


def _predict(
    settings: ExternalSettings, train: Path, cohort: LabelledStore, folds: int, progress: Progress
) -> pd.DataFrame:
    """The rows of every model, one per slide and fold."""
    progress.phase("loading PyTorch")
    from oceanpath.stages.external.models import predict_members

    progress.start(folds, "models")
    checkpoints = [train / f"fold_{number}" / "best.ckpt" for number in range(folds)]
    rows, tables = cohort.slides.drop(columns="fitted").assign(role="test"), list[pd.DataFrame]()
    for number, member in enumerate(predict_members(settings, checkpoints, cohort.store, rows["slide_id"].tolist())):
        tables.append(rows.assign(**dict(zip(member.columns, member.values.T, strict=True)), fold=number))
        progress.advance()
    return pd.concat(tables, ignore_index=True)


def _val_rows(train: Path, task: Task, folds: int) -> list[pd.DataFrame]:
    """The inner validation rows of each fold, which choose thresholds and calibration."""
    return [read_predictions(train / f"fold_{number}" / "preds_val.parquet", task) for number in range(folds)]


def _reported(results: dict[str, Any], task: Task, members: pd.DataFrame, frame: pd.DataFrame) -> ReportedRows:
    """The rows to evaluate: the means of all models, which form one ensemble."""
    plan = [{"repeat": 0, "ensemble": 0, "name": ""}] * results["folds"]
    facts = {**results, "scheme": "external", "plan": plan}
    return ReportedRows(frame, task, task.targets(frame["label"].tolist()), task.values(frame), facts, members)


def _baselines(task: Task, cohorts: Cohorts, progress: Progress) -> dict[str, Floats]:
    """Baseline → values [n, K] of the external slides, fitted to the slides that trained or validated a model."""
    fitted, tested = cohorts.training.slides.query("fitted"), cohorts.external.slides
    progress.start(len(fitted) + len(tested), "slides")
    training = pool(cohorts.training.store, fitted["slide_id"].tolist(), progress.advance).features
    external = pool(cohorts.external.store, tested["slide_id"].tolist(), progress.advance).features
    targets, n = task.targets(fitted["label"].tolist()), len(tested)
    values = {
        name: task.fit_baseline(training[feature], targets, external[feature])
        if feature
        else np.tile(task.constant_baseline([targets]), (n, 1))
        for name, feature in task.baselines.items()
    }
    return {name: np.round(predicted, DECIMALS) for name, predicted in values.items()}
