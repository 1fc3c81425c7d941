"""Evaluate: reject rows that may not be reported, then compute metrics, compare with baselines and draw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts import metrics
from oceanpath.artifacts.folds import read_splits
from oceanpath.figures.files import check_figure
from oceanpath.figures.fonts import notice
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.eval.baselines import fit_baselines, pool_slides
from oceanpath.stages.eval.plots import LEARNING, draw_all, draw_losses, pictures
from oceanpath.stages.eval.report import SEEN, build_report
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.eval.sites import compare_sites, site_lines
from oceanpath.tasks.base import Task
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
    if seen := rows.results.get(SEEN):
        report[SEEN] = seen
    report["cohort_flow"] = read_splits(inputs["split"]).get("cohort_flow")
    metrics.write_metrics(report, out)
    draw_all(settings, rows, baselines, report, out)
    draw_losses(rows.results, inputs["train"], out / LEARNING)
    if missing_fonts := notice("eval"):
        progress.note(missing_fonts)
    return summarise(report, rows.task)


def check(path: Path) -> None:
    """Read metrics.json and check that it is complete and every figure exists.

    Raises: ArtifactError: metrics.json is not valid, or a file of a figure is missing or empty.
    """
    report = metrics.read_metrics(path)
    task = read_task(report, path)
    metrics.require(report, task.metrics, task.baselines, path)
    for name in pictures(task.name):
        check_figure(path / name)


def summarise(report: Mapping[str, Any], task: Task) -> Summary:
    """Lines for the screen and flat numbers for the ledger; both contain the marks that the report has."""
    marks, main, title = [name for name in ("selected", SEEN) if report.get(name)], task.main_metric, task.main_title
    word, prefix = "".join(f"{name} " for name in marks), "".join(f"{name}_" for name in marks)
    slide, patient = report["level"]["slide"], report["level"]["patient"]
    lines = [f"{word}{level} {title} {format_record(group[main])}" for level, group in report["level"].items()]
    lines += [f"{word}baseline {name} {title} {format_record(group[main])}" for name, group in report["floor"].items()]
    lines += [note if note.startswith(("selected", SEEN)) else word + note for note in report["notes"]]
    flat: dict[str, Any] = {name: slide[name]["value"] for name in task.ledger_metrics}
    flat |= {f"{main}_{end}": slide[main].get(end) for end in ("low", "high")}
    flat |= {f"patient_{main}{end}": patient[main].get(key) for end, key in _ENDS.items()}
    flat |= {f"floor_{name}": group[main]["value"] for name, group in report["floor"].items()}
    for name, difference in report["versus_baseline"].items():
        flat |= {f"versus_{name}{end}": difference.get(key) for end, key in _ENDS.items()}
        flat |= {f"versus_{name}_{key}": difference[key] for key in ("p", "verdict")}
    return Summary(tuple(lines), {prefix + name: value for name, value in flat.items()})


_ENDS = {"": "value", "_low": "low", "_high": "high"}


def format_record(record: Mapping[str, Any]) -> str:
    """A record as text: ``0.912 (0.880 to 0.941)``, or the reason why there is no number or no interval."""
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    if record["low"] is None:
        return f"{record['value']:.3f} (no interval: {record['reason']})"
    return f"{record['value']:.3f} ({record['low']:.3f} to {record['high']:.3f})"
