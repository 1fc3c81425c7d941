"""The losses of every fold, and the names of all figures of the stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError
from oceanpath.evaluation import figures
from oceanpath.figures.decisions import draw_decision_curve
from oceanpath.figures.learning import Losses, draw_learning
from oceanpath.stages.eval.settings import EvalSettings

LEARNING, DECISIONS = "learning.png", "decision_curve.png"


def pictures(task: str) -> tuple[str, ...]:
    """Names of the PNG files that an evaluation of a task has."""
    return (*figures.pictures(task), LEARNING)


def draw_decisions(settings: EvalSettings, report: Mapping[str, Any], out: Path) -> None:
    """Draw the decision curve below `out`, if the report has one."""
    if (curve := report.get("decision_curve")) is None:
        return
    n = report["level"]["slide"][next(iter(report["level"]["slide"]))]
    counts = f"{n['n']} test slides of {n['n_patients']} patients, {100 * settings.confidence:g} % band"
    draw_decision_curve(out / DECISIONS, curve, counts + (" (selected)" if report["selected"] else ""))


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
