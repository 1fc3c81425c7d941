"""Score an external cohort: predictions of every model, their mean, metrics, baselines and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import metrics
from oceanpath.artifacts.external import check_predictions, write_external
from oceanpath.artifacts.folds import read_splits
from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.artifacts.store.reader import Store
from oceanpath.evaluation.figures import draw_all, pictures
from oceanpath.evaluation.pooled import DECIMALS, PooledSlides, pool
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.summary import summarise
from oceanpath.figures.files import check_figure
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.external.independence import labelled_slides, require_independence
from oceanpath.stages.external.settings import ExternalSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import read_task

RULE = "; the thresholds of all models are averaged"


def run(settings: ExternalSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the predictions, metrics.json and the figures of one cohort below `out`.

    Raises: ExperimentError: the cohort shares patients or slides with the training cohort, or its features are of
        another kind. ArtifactError: an input is damaged.
    """
    results = read_cv_results(inputs["train"])
    task = read_task(results, inputs["train"])
    stores = tuple(Store(inputs[name], check=inputs.verify) for name in ("mmap", "training.mmap"))
    slides, training = (labelled_slides(inputs[name]) for name in ("split", "training.split"))
    require_independence((stores[0], stores[1]), (slides, training), f"[[data.external]] {settings.cohort}")
    members = _predict(settings, inputs, slides, results["folds"], progress)
    frame = write_external(members, out, task)
    rows = _reported(settings, results, task, members, frame)
    fitted = training[training["fitted"]]
    progress.start(len(fitted) + len(frame), "slides")
    pooled = pool(stores[1], fitted["slide_id"].tolist(), progress.advance)
    own = pool(stores[0], frame["slide_id"].tolist(), progress.advance)
    baselines = predict_baselines(task, (pooled, fitted["label"].tolist()), own)
    report = build_report(settings, rows, baselines)
    if report["operating_point"] is not None:
        report["operating_point"]["rule"] += RULE
    report |= {"external": settings.cohort, "cohort_flow": read_splits(inputs["split"]).get("cohort_flow")}
    metrics.write_metrics(report, out)
    draw_all(settings, rows, baselines, report, out)
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
    for name in pictures(task.name):
        check_figure(path / name)


def _predict(
    settings: ExternalSettings, inputs: Inputs, slides: pd.DataFrame, folds: int, progress: Progress
) -> pd.DataFrame:
    """The rows of every model, one per slide and fold."""
    progress.phase("loading PyTorch")
    from oceanpath.stages.external.models import predict_members

    progress.start(folds, "models")
    store, tables = Store(inputs["mmap"], check=inputs.verify), list[pd.DataFrame]()
    checkpoints = [inputs["train"] / f"fold_{number}" / "best.ckpt" for number in range(folds)]
    rows = slides.drop(columns="fitted").assign(role="test")
    for number, member in enumerate(predict_members(settings, checkpoints, store, rows["slide_id"].tolist())):
        tables.append(rows.assign(**dict(zip(member.columns, member.values.T, strict=True)), fold=number))
        progress.advance()
    return pd.concat(tables, ignore_index=True)


def _reported(
    settings: ExternalSettings, results: dict[str, Any], task: Task, members: pd.DataFrame, frame: pd.DataFrame
) -> ReportedRows:
    """The rows to evaluate: the means of all models, which form one ensemble."""
    plan = [{"repeat": 0, "ensemble": 0, "name": ""}] * results["folds"]
    facts = {key: value for key, value in results.items() if key != "seen_in_pretraining"}
    facts |= {"scheme": "external", "plan": plan, "external": settings.cohort}
    return ReportedRows(frame, task, task.targets(frame["label"].tolist()), task.values(frame), facts, members)


def predict_baselines(task: Task, training: tuple[PooledSlides, list[str]], own: PooledSlides) -> dict[str, Floats]:
    """Baseline → values [n, K] of the slides of the cohort, fitted to the training slides and their labels."""
    pooled, labels = training
    targets, n = task.targets(labels), len(own.slides)
    values = {
        name: task.fit_baseline(pooled.features[feature], targets, own.features[feature])
        if feature
        else np.tile(task.constant_baseline([targets]), (n, 1))
        for name, feature in task.baselines.items()
    }
    return {name: np.round(predicted, DECIMALS) for name, predicted in values.items()}
