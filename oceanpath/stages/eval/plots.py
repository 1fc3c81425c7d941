"""The losses of every fold, and the names of all figures of the stage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.errors import ArtifactError
from oceanpath.evaluation import figures
from oceanpath.figures.learning import Losses, draw_learning

LEARNING = "learning.png"


def pictures(task: str) -> tuple[str, ...]:
    """Names of the PNG files that an evaluation of a task has."""
    return (*figures.pictures(task), LEARNING)


def name_of(entry: Mapping[str, Any]) -> str:
    """The fold of an entry of cv_results.json, and its seed if there are several."""
    return f"fold {entry['split_fold']}, seed {entry['seed']}" if "seed" in entry else f"fold {entry['fold']}"


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
        folds.append(Losses(name_of(entry), train_loss, val_loss, int(entry["best_epoch"])))
    draw_learning(path, folds, "Loss per epoch" + (" (selected)" if results["selected"] else ""))
