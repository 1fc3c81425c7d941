"""The figures of an evaluation: those of the task, and the losses of every task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from oceanpath.errors import ArtifactError
from oceanpath.figures.learning import Losses, draw_learning
from oceanpath.stages.eval import class_figures, survival_figures
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import CLASSIFICATION

LEARNING = "learning.png"


class TaskFigures(NamedTuple):
    """The figures of one task."""

    pictures: tuple[str, ...] = ()
    """Names of the PNG files."""
    draw: Callable[[EvalSettings, ReportedRows, Mapping[str, Floats], Mapping[str, Any], Path], None] | None = None
    """``draw(settings, rows, baselines, report, out)`` writes them."""


FIGURES = {
    CLASSIFICATION: TaskFigures(class_figures.PICTURES, class_figures.draw_figures),
    "ordinal": TaskFigures(class_figures.PICTURES, class_figures.draw_figures),
    "survival": TaskFigures(survival_figures.PICTURES, survival_figures.draw_figures),
}
"""Task → its figures; for a task that is not listed, only the losses are drawn."""


def pictures(task: str) -> tuple[str, ...]:
    """Names of the PNG files that an evaluation of a task has."""
    return (*FIGURES.get(task, TaskFigures()).pictures, LEARNING)


def draw_all(
    settings: EvalSettings, rows: ReportedRows, baselines: Mapping[str, Floats], report: Mapping[str, Any], out: Path
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


def draw_losses(results: Mapping[str, Any], train: Path, path: Path) -> None:
    """Draw the losses of every fold by epoch.

    Args:
        results: The contents of cv_results.json, for the selected epochs.
        train: The folder of the folds.
        path: The PNG to write.

    Raises: ArtifactError: a history.json is damaged.
    """
    folds = []
    for entry in results["per_fold"]:
        file = train / f"fold_{entry['fold']}/history.json"
        try:
            epochs = json.loads(file.read_text())
            train_loss, val_loss = ([epoch[name] for epoch in epochs] for name in ("train_loss", "val_loss"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError("the history of losses cannot be read", where=file, got=error) from error
        folds.append(Losses(f"fold {entry['fold']}", train_loss, val_loss, int(entry["best_epoch"])))
    draw_learning(path, folds, "Loss per epoch" + (" (selected)" if results["selected"] else ""))
