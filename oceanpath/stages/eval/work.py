"""Evaluate: reject rows that may not be reported, then compute metrics, compare with baselines and draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts import metrics
from oceanpath.artifacts.analysis_plan import FILE as PLAN
from oceanpath.artifacts.analysis_plan import plan_digest, read_plan, write_plan
from oceanpath.artifacts.cohort.slide_columns import read_slide_columns
from oceanpath.artifacts.folds import read_splits
from oceanpath.artifacts.patient_bags import read_patient_bags
from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.evaluation.decisions import add_decisions
from oceanpath.evaluation.figures import DECISIONS, draw_all, draw_decisions
from oceanpath.evaluation.own_metrics import own_metrics
from oceanpath.evaluation.report import SEEN, build_report, finish_records
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.subgroups import subgroup_lines, subgroup_report
from oceanpath.evaluation.summary import summarise
from oceanpath.figures.files import check_figure
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.eval.baselines import fit_baselines, fold_slides, pool_slides
from oceanpath.stages.eval.clinical import CLINICAL, fit_clinical
from oceanpath.stages.eval.plots import LEARNING, draw_losses, pictures
from oceanpath.stages.eval.rows import read_rows, read_val
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.sites import compare_sites, site_lines
from oceanpath.stats.confusion import confusion
from oceanpath.stats.panel import decide
from oceanpath.tasks.base import Task
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import read_task


def run(settings: EvalSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write metrics.json and the figures below `out`.

    Raises: StageError: rows may not be reported, or do not match the folds. ArtifactError: an input is damaged.
    """
    if settings.sealed is True:
        return _seal(settings, inputs, out)
    rows = read_rows(inputs["train"], inputs["split"], settings.patient_aggregation)
    pooled = pool_slides(rows, inputs, progress)
    baselines = fit_baselines(rows, inputs["split"], pooled)
    if settings.clinical:
        baselines[CLINICAL] = _clinical(settings, inputs, rows)
    report = build_report(settings, rows, baselines)
    report["site"] = compare_sites(settings, rows.task, inputs["split"], pooled)
    report["notes"] += site_lines(report["site"])
    if settings.metrics:
        report["own_metrics"] = own_metrics(settings, rows, settings.metrics)
    val = [read_val(inputs["train"], number, rows.task) for number in range(rows.results["folds"])]
    add_decisions(report, settings, rows, val, settings.cost_ratio)
    if settings.subgroups:
        report["subgroups"] = finish_records(_subgroups(settings, inputs, rows), rows)
        report["notes"] += subgroup_lines(report["subgroups"])
    if seen := rows.results.get(SEEN):
        report[SEEN] = seen
    if isinstance(rows.task, Classification):
        report["confusion"] = confusion(rows.targets, decide(rows.values), rows.values.shape[1]).tolist()
    report["cohort_flow"] = read_splits(inputs["split"]).get("cohort_flow")
    if settings.sealed:
        plan = _plan(settings, rows.task)
        report["sealed"] = {"plan": plan, "sha256": plan_digest(plan)}
    metrics.write_metrics(report, out)
    draw_all(settings, rows, baselines, report, out)
    draw_decisions(settings, report, out)
    draw_losses(rows.results, inputs["train"], out / LEARNING)
    if missing_fonts := notice("eval"):
        progress.note(missing_fonts)
    lines, numbers = summarise(report, rows.task)
    return Summary(tuple(lines), numbers)


def _seal(settings: EvalSettings, inputs: Inputs, out: Path) -> Summary:
    """Record the analysis plan of a sealed test; nothing else is computed."""
    plan = _plan(settings, read_task(read_splits(inputs["split"]), inputs["split"]))
    write_plan(plan, out)
    return Summary((f"sealed: no test slide was predicted; analysis plan {plan_digest(plan)}",), {})


def _plan(settings: EvalSettings, task: Task) -> dict[str, Any]:
    facts = {"main_metric": task.main_metric, "task_metrics": list(task.metrics), "comparisons": sorted(task.baselines)}
    return {**facts, **settings.plan()}


def _subgroups(settings: EvalSettings, inputs: Inputs, rows: ReportedRows) -> dict[str, Any]:
    """Raises: ExperimentError: as `_columns`."""
    cells = _columns(settings, inputs, rows.frame["slide_id"].tolist(), "[eval] subgroups")
    return subgroup_report(settings, rows, {name: cells[name] for name in settings.subgroups}, settings.smallest_group)


def _clinical(settings: EvalSettings, inputs: Inputs, rows: ReportedRows) -> Floats:
    """Raises: ExperimentError: as `_columns`, or a column is neither numeric nor one of categories."""
    slides = fold_slides(rows, inputs["split"])
    cells = _columns(settings, inputs, slides, "[data] clinical")
    columns = pd.DataFrame({name: cells[name] for name in settings.clinical}, index=slides)
    return fit_clinical(rows, inputs["split"], columns)


def _columns(settings: EvalSettings, inputs: Inputs, bags: list[str], where: str) -> dict[str, list[str]]:
    """Name → cells of these slides or patients.

    Raises: ExperimentError: there is no label table, it lacks a column, or slides of a patient differ.
    """
    demo = inputs.get("demo")
    path = settings.labels or (None if demo is None else demo / "cohort.csv")
    if path is None:
        raise ExperimentError("there is no label table", where=where, do="Set data.labels.")
    of_patients = read_patient_bags(inputs["split"])
    slides_of = {name: of_patients.get(name, (name,)) for name in bags}
    known = sorted({slide for slides in slides_of.values() for slide in slides})
    columns = read_slide_columns(path, settings.question(), known, settings.match_ids)
    row_of = {name: row for row, name in enumerate(known)}
    cells = {
        name: {bag: sorted({column[row_of[slide]] for slide in slides}) for bag, slides in slides_of.items()}
        for name, column in columns.items()
    }
    _check_agreement(cells, where)
    return {name: [own[bag][0] for bag in bags] for name, own in cells.items()}


def _check_agreement(cells: Mapping[str, Mapping[str, list[str]]], where: str) -> None:
    """Raise ExperimentError if slides of a patient have different cells; `cells` is column → bag → different cells."""
    for name, own in cells.items():
        if differing := [f"{bag} ({' and '.join(map(repr, found))})" for bag, found in own.items() if len(found) > 1]:
            what = f"slides of one patient differ in column {name}, and a bag of a patient has one value"
            do = "Correct the label table, or remove the column from this key."
            got = f"{len(differing)} patients: {shorten_list(differing)}"
            raise ExperimentError(what, where=where, got=got, do=do)


def check(path: Path) -> None:
    """Read metrics.json and check that it is complete and every figure exists.

    Raises: ArtifactError: metrics.json is not valid, or a file of a figure is missing or empty.
    """
    if (path / PLAN).is_file():
        read_plan(path)
        return
    report = metrics.read_metrics(path)
    task = read_task(report, path)
    own = {CLINICAL} & report["floor"].keys()
    metrics.require(report, task.metrics, [*task.baselines, *own], path)
    for name in pictures(task.name):
        check_figure(path / name)
    if "decision_curve" in report:
        check_figure(path / DECISIONS)
