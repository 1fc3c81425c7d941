"""The plan of a fold: what depends on its training slides, with the reasons and the keys that change it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from oceanpath.fit.batch_size import LARGEST, SMALLEST, STEPS
from oceanpath.stages.train.fold_training import Fold
from oceanpath.tasks.base import Task


def plan_lines(fold: Fold, task: Task, number: int, unit: str) -> list[str]:
    """Lines for the user before the training of fold `number`; `unit` is what a bag is of: slide or patient."""
    settings, train = fold.settings, fold.rows["train"]
    objective = fold.objective(task)
    batch, count = fold.batch_size(objective), len(train.numbers)
    strata = task.strata(train.table["label"].tolist())
    counts = Counter(strata.names[row] for row in strata.rows)
    rarest = min(counts[name] for name in strata.names)
    groups = ", ".join(f"{name} {counts[name]}" for name in strata.names)
    median = int(np.median(fold.store.index.lengths[train.numbers]))
    bags = "all patches" if settings.max_patches is None else f"at most {settings.max_patches} patches per epoch"
    steps = math.ceil(count / batch)
    weights = ", ".join(f"{name} {weight:g}" for name, weight in settings.target_weights.items())
    loss = settings.loss + (f" with weights {weights} (train.target_weights)" if weights else "")
    model = settings.model.model_dump()
    width = f" of width {model['hidden']} (model.hidden)" if "hidden" in model else ""
    return [
        f"plan of fold {number}: task {settings.task}, loss {loss}, epoch selected by {settings.monitor}; "
        f"{count} training {unit}s ({groups})",
        f"  batch_size {batch}: {_reason(settings.batch_size, f'{count} {unit}s', batch)}; rarest {task.stratum} "
        f"{rarest / count * batch:.1f} per batch, {_sampling(settings.balance, unit)}",
        f"  about {steps} steps per epoch, at most {settings.epochs} epochs, warm-up {settings.warmup:g} epochs "
        f"(train.warmup), then {settings.schedule}",
        f"  bags: median {median} patches of {fold.store.dim} features, {bags} (train.max_patches); "
        f"{settings.model.name}{width}",
    ]


def _reason(configured: int | None, counted: str, batch: int) -> str:
    if configured is not None:
        return "set by train.batch_size"
    if batch == SMALLEST:
        return "the smallest by default, for few slides or a loss that compares them (train.batch_size)"
    return f"{counted} / {STEPS} as a power of two up to {LARGEST} (train.batch_size)"


def _sampling(balance: str, unit: str) -> str:
    if balance == "sampling":
        return "each equally often (train.balance)"
    return f"each {unit} once per epoch (train.balance)"
