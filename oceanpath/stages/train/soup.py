"""The average of several trainings of a fold that start from the same weights (Wortsman et al. 2022, greedy soup).

Averages of models with different initial weights are not models, so the trainings differ in the order of batches, in
sampled patches and in dropout only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from oceanpath.fit.predict import predict
from oceanpath.stages.train.fold_training import Fold, Selected
from oceanpath.tasks.base import Task

State = dict[str, Tensor]


def train_soup(
    fold: Fold, task: Task, epoch_done: Callable[[int], None], saved: Path
) -> tuple[Selected, dict[str, Any]]:
    """Train `train.soup` times, and average the weights that make the validation score better.

    The best training comes first; another one joins the average if its score does not get worse.

    Returns: the average, with the history of the best training; facts for fold.json, none for a single training.
    """
    if fold.settings.soup == 1:
        return fold.train(task, epoch_done, saved), {}
    runs = [
        replace(fold, run=run).train(task, epoch_done, saved.with_name(f"run_{run}.ckpt"))
        for run in range(fold.settings.soup)
    ]
    runs.sort(key=lambda run: run.stopping.best.scores)  # a stable order: equal scores stay in the order of training
    first = runs[0]
    kept, scores = [first.stopping.best.state], first.stopping.best.scores
    for run in runs[1:]:
        candidate = [*kept, run.stopping.best.state]
        found = _scores(fold, first, mean_state(candidate), task)[0]
        if found <= scores:
            kept, scores = candidate, found
    named = _scores(fold, first, mean_state(kept), task)[1]
    facts = {**named, "soup": {"runs": len(runs), "averaged": len(kept)}}
    return first._replace(skipped=sum(run.skipped for run in runs)), facts


def mean_state(states: Sequence[State]) -> State:
    """The mean of each tensor of floating-point numbers; others are those of the first state."""
    return {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }


def _scores(fold: Fold, run: Selected, state: State, task: Task) -> tuple[tuple[float, ...], dict[str, float | None]]:
    """The validation scores of the model with other weights, which it keeps: to be compared, and by name."""
    model, objective = run.trained
    model.load_state_dict(state)
    val = fold.selection_rows
    outputs = predict(model, fold.store, val.numbers, fold.device, together=True).outputs
    named = objective.validation_scores(outputs, val.targets)
    return task.selection_key(run.stopping.monitor, named), dict(named)
