"""The figures of an evaluation, by task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oceanpath.artifacts.bag_unit import SLIDE, unit_of
from oceanpath.evaluation import class_figures, regression_figures, survival_figures
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.figures.decisions import draw_decision_curve
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import CLASSIFICATION

DECISIONS = "decision_curve.png"


class TaskFigures(NamedTuple):
    """The figures of one task."""

    pictures: tuple[str, ...] = ()
    """Names of the PNG files."""
    draw: Callable[[IntervalOptions, ReportedRows, Mapping[str, Floats], Mapping[str, Any], Path], None] | None = None
    """``draw(settings, rows, baselines, report, out)`` writes them."""


FIGURES = {
    CLASSIFICATION: TaskFigures(class_figures.PICTURES, class_figures.draw_figures),
    "ordinal": TaskFigures(class_figures.PICTURES, class_figures.draw_figures),
    "regression": TaskFigures(regression_figures.PICTURES, regression_figures.draw_figures),
    "survival": TaskFigures(survival_figures.PICTURES, survival_figures.draw_figures),
}
"""Task → its figures; a task that is not listed has none."""


def pictures(task: str) -> tuple[str, ...]:
    """Names of the PNG files that an evaluation of a task has."""
    return FIGURES.get(task, TaskFigures()).pictures


def draw_all(
    settings: IntervalOptions, rows: ReportedRows, baselines: Mapping[str, Floats], report: Mapping[str, Any], out: Path
) -> None:
    """Draw the figures of the task below `out`.

    Args:
        settings: The seed and the confidence level of the bands.
        rows: The test rows.
        baselines: Baseline → values [n, K].
        report: The contents of metrics.json, for the legends.
        out: Folder.
    """
    figures = FIGURES.get(rows.task.name, TaskFigures())
    if figures.draw is not None:
        figures.draw(settings, rows, baselines, report, out)


def draw_decisions(settings: IntervalOptions, report: Mapping[str, Any], out: Path) -> None:
    """Draw the decision curve below `out`, if the report has one."""
    if (curve := report.get("decision_curve")) is None:
        return
    unit = unit_of(report)
    n = next(iter(report["level"][unit].values()))
    slides = f"test slides of {n['n_patients']} patients" if unit == SLIDE else "test patients"
    counts = f"{n['n']} {slides}, {100 * settings.confidence:g} % band"
    draw_decision_curve(out / DECISIONS, curve, counts + (" (selected)" if report["selected"] else ""))
