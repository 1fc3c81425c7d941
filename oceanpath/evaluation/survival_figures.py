"""Figures of survival: Kaplan-Meier curves of risk groups, and the Brier score over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.evaluation.levels import LevelRows, patient_level, slide_level
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.figures.survival import GroupCurve, draw_errors, draw_groups, time_ticks
from oceanpath.stats.survival.kaplan_meier import Events, kaplan_meier
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.survival import Survival
from oceanpath.tasks.survival_labels import times_and_events

PICTURES = ("kaplan_meier.png", "brier.png")
BASELINES = {"mean_pool_cox": "mean pooling + Cox", "kaplan_meier": "Kaplan-Meier"}


def draw_figures(
    settings: IntervalOptions,
    rows: ReportedRows,
    baselines: Mapping[str, Floats],
    report: Mapping[str, Any],
    out: Path,
) -> None:
    """Draw `PICTURES` below `out`; the arguments are those of `figures.draw_all`."""
    task = rows.task
    assert isinstance(task, Survival), "the registry of figures pairs them"
    patients, _ = patient_level(settings, rows)
    level, unit = (slide_level(settings, rows), "slide") if patients is None else (patients, "patient")
    suffix = " (selected)" if rows.selected else ""
    _draw_groups(
        task, rows, level, (f"{rows.title}, {unit}s by risk group{suffix}", _difference(task, report, unit)), out
    )
    models = {"model": rows.values} | {BASELINES[name]: baselines[name] for name in BASELINES if name in baselines}
    errors = {name: task.brier(rows.targets, values, rows.folds) for name, values in models.items()}
    draw_errors(out / "brier.png", task.horizons, errors, task.unit, f"{rows.title}, prediction error{suffix}")


def _draw_groups(task: Survival, rows: ReportedRows, level: LevelRows, texts: tuple[str, str], out: Path) -> None:
    rule = task.decision_rule(rows.fold_facts)
    assert rule is not None, "survival has risk groups"
    (time, event), high = times_and_events(level.targets), task.high_risk(rule, level.values, level.folds)
    ticks = time_ticks(float(time.max()))
    groups = {"low risk": ~high, "high risk": high}
    curves = [_curve(name, time[own], event[own], ticks) for name, own in groups.items() if own.any()]
    draw_groups(out / "kaplan_meier.png", curves, ticks, task.unit, texts)


def _curve(name: str, time: Floats, event: Events, ticks: Floats) -> GroupCurve:
    curve = kaplan_meier(time, event)
    at_risk = [int((time >= tick).sum()) for tick in ticks]
    name = f"{name} (n = {len(time)}, {int(event.sum())} events)"
    return GroupCurve(name, curve.times, curve.survival, np.sort(time[~event]), at_risk)


def _difference(task: Survival, report: Mapping[str, Any], unit: str) -> str:
    """The log-rank test and the difference of the restricted means, as one line."""
    records = report["operating_point"][unit]
    p, rmst = records["log_rank_p"]["value"], records["rmst_difference"]
    texts = [] if p is None else [f"log-rank p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"]
    if rmst["value"] is not None:
        interval = "" if rmst["low"] is None else f" ({rmst['low']:.1f} to {rmst['high']:.1f})"
        texts.append(f"restricted mean, high - low: {rmst['value']:.1f}{interval} {task.unit}")
    return ", ".join(texts)
