"""The models that a bundle has: those of all folds, the best one of them, or one that was trained on all patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oceanpath.artifacts.bundle.facts import FinalFacts
from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.registry import read_task

BEST_FOLD = "the model of fold {fold}, which has the best validation score of {folds} folds ({monitor} {score:.4f})"
REFIT = (
    "one model that was trained on all {slides} slides of {patients} patients for {epochs} epochs, the 75th percentile "
    "of the numbers that the folds selected ({fold_epochs}); this model itself was not evaluated"
)


@dataclass(frozen=True)
class Shipped:
    """The models of a bundle, and how they were chosen."""

    train: Path
    """The folder with their folders fold_<k>."""
    results: dict[str, Any]
    """cv_results.json of the evaluated models, with the entries and the number of the models of the bundle."""
    final: FinalFacts | None = None
    """How the model was chosen; None: the models of all folds are in the bundle."""

    @property
    def folds(self) -> tuple[int, ...]:
        """The numbers of the models, in the order of the members of the bundle."""
        return tuple(int(entry["fold"]) for entry in self.results["per_fold"])

    @property
    def is_refit(self) -> bool:
        """Whether the model was trained on all patients, so that none of its predictions was evaluated."""
        return self.final is not None and self.final.choice == "refit"


def shipped_models(settings: ExportSettings, inputs: Inputs) -> Shipped:
    """The models that `train.final` requests; no test row takes part in the choice."""
    train, results = inputs["train"], read_cv_results(inputs["train"])
    if settings.final == "refit":
        return _refit(inputs["refit"], results)
    if settings.final == "best_fold":
        return _best_fold(train, results)
    return Shipped(train, results)


def _best_fold(train: Path, results: dict[str, Any]) -> Shipped:
    """The fold with the best score on its inner validation rows; of equal ones the first."""
    task, entries = read_task(results, train), results["per_fold"]
    best = min(entries, key=lambda entry: task.selection_key(entry["monitor"], entry))
    score = {"monitor": best["monitor"], "score": best[best["monitor"]]}
    text = BEST_FOLD.format(fold=best["fold"], folds=len(entries), **score)
    final = FinalFacts(choice="best_fold", description=text)
    return Shipped(train, {**results, "folds": 1, "per_fold": [best]}, final)


def _refit(folder: Path, results: dict[str, Any]) -> Shipped:
    """The model of all patients, with the decisions from inner validation rows of the folds."""
    own = read_cv_results(folder)
    facts: Mapping[str, Any] = own["refit"]
    listed = ", ".join(map(str, facts["fold_epochs"]))
    text = REFIT.format(**{**facts, "fold_epochs": listed})
    final = FinalFacts(choice="refit", description=text)
    return Shipped(folder, {**results, "folds": 1, "per_fold": own["per_fold"]}, final)
