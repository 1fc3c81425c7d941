"""Search for hyperparameters in one fold: trials on its train rows, compared on its inner validation rows alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oceanpath.errors import StageError
from oceanpath.fit.seeds import derive
from oceanpath.fit.study import Study, Trial
from oceanpath.pipeline.stage import Progress
from oceanpath.stages.train.early_stopping import EarlyStopping
from oceanpath.stages.train.fold_training import Fold
from oceanpath.stages.train.space import with_values
from oceanpath.tasks.base import Task


def search_fold(fold: Fold, task: Task, folder: Path, progress: Progress) -> tuple[Fold, dict[str, Any]]:
    """The fold with the best settings, and the contents of search.json; trials that `folder` has are not repeated.

    Raises: StageError: no trial has a score.
    """
    assert fold.settings.search is not None, "the settings have a search"
    study = Study(fold.settings.search, derive(fold.seed, "search"), folder / "trials.json")
    progress.start(fold.settings.search.trials, "trials")
    progress.advance(len(study.trials))
    while (trial := study.next()) is not None:
        _run(fold, task, study, trial)
        progress.advance()
    best = study.best()
    found = {"number": best["number"], "values": best["values"], "trials": study.trials}
    return replace(fold, settings=with_values(fold.settings, best["values"])), found


def _run(fold: Fold, task: Task, study: Study, trial: Trial) -> None:
    """Train one trial, from its saved state if it was interrupted."""
    saved = study.file.with_name(f"trial_{len(study.trials)}.ckpt")
    is_pruned = False

    def ends(stopping: EarlyStopping) -> bool:
        nonlocal is_pruned
        scores = [task.selection_key(stopping.monitor, _scores(entry))[0] for entry in stopping.history]
        is_pruned = trial.should_end(scores)
        return is_pruned

    own = replace(fold, settings=with_values(fold.settings, trial.values))
    try:
        selected = own.train(task, lambda _: None, saved, ends)
    except StageError as error:
        study.finish(trial, "failed", {"reason": error.render()})
    else:
        stopping = selected.stopping
        facts = {"best_epoch": stopping.best.epoch, "epochs": len(stopping.history)}
        study.finish(trial, "pruned" if is_pruned else "complete", facts)
    saved.unlink(missing_ok=True)


def _scores(entry: Mapping[str, float | int | None]) -> dict[str, float | None]:
    return {name: score for name, score in entry.items() if name.startswith("val_")}
