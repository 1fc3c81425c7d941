"""Evaluate: reject rows that may not be reported, then compute metrics, compare with baselines and draw."""

from __future__ import annotations

from pathlib import Path

from oceanpath.artifacts import metrics
from oceanpath.artifacts.folds import read_splits
from oceanpath.evaluation.figures import draw_all
from oceanpath.evaluation.own_metrics import own_metrics
from oceanpath.evaluation.report import SEEN, build_report
from oceanpath.evaluation.summary import summarise
from oceanpath.figures.files import check_figure
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.eval.baselines import fit_baselines, pool_slides
from oceanpath.stages.eval.plots import LEARNING, draw_losses, pictures
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.sites import compare_sites, site_lines
from oceanpath.tasks.registry import read_task


def run(settings: EvalSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write metrics.json and the figures below `out`.

    Raises: StageError: rows may not be reported, or do not match the folds. ArtifactError: an input is damaged.
    """
    rows = read_rows(inputs["train"], inputs["split"])
    pooled = pool_slides(rows, inputs, progress)
    baselines = fit_baselines(rows, inputs["split"], pooled)
    report = build_report(settings, rows, baselines)
    report["site"] = compare_sites(settings, rows.task, inputs["split"], pooled)
    report["notes"] += site_lines(report["site"])
    if settings.metrics:
        report["own_metrics"] = own_metrics(settings, rows, settings.metrics)
    if seen := rows.results.get(SEEN):
        report[SEEN] = seen
    report["cohort_flow"] = read_splits(inputs["split"]).get("cohort_flow")
    metrics.write_metrics(report, out)
    draw_all(settings, rows, baselines, report, out)
    draw_losses(rows.results, inputs["train"], out / LEARNING)
    if missing_fonts := notice("eval"):
        progress.note(missing_fonts)
    lines, numbers = summarise(report, rows.task)
    return Summary(tuple(lines), numbers)


def check(path: Path) -> None:
    """Read metrics.json and check that it is complete and every figure exists.

    Raises: ArtifactError: metrics.json is not valid, or a file of a figure is missing or empty.
    """
    report = metrics.read_metrics(path)
    task = read_task(report, path)
    metrics.require(report, task.metrics, task.baselines, path)
    for name in pictures(task.name):
        check_figure(path / name)
