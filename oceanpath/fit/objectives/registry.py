"""Names of tasks → the objectives that train them. Light: an objective is imported only when it is used.

A package adds objectives by entry points of the group ``oceanpath.objectives``: modules that call
`register_objective`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from oceanpath.errors import ExperimentError
from oceanpath.plugins import load_plugins

if TYPE_CHECKING:
    from oceanpath.fit.objectives.base import Objective
    from oceanpath.tasks.base import Task

GROUP = "oceanpath.objectives"


class ObjectiveEntry(NamedTuple):
    """One objective."""

    where: str
    """Its class, as ``"module:Class"``."""
    losses: tuple[str, ...]
    """Values of ``train.loss``; the first is the default."""
    keys: tuple[str, ...] = ()
    """Further keys of `[train]` that it reads, of `ObjectiveSettings`."""
    has_class_targets: bool = False
    """Whether targets are class numbers, as the patch-level loss of CLAM needs them."""


_ENTRIES: dict[str, ObjectiveEntry] = {}


def register_objective(task: str, entry: ObjectiveEntry) -> None:
    """Add the objective of a task. Raises: ValueError: the task already has one."""
    if task in _ENTRIES:
        raise ValueError(f"the task {task!r} already has an objective")
    _ENTRIES[task] = entry


register_objective(
    "classification",
    ObjectiveEntry(
        "oceanpath.fit.objectives.classification:ClassificationObjective",
        ("ce", "focal"),
        ("focal_gamma", "label_smoothing", "balance"),
        has_class_targets=True,
    ),
)

register_objective(
    "ordinal",
    ObjectiveEntry("oceanpath.fit.objectives.ordinal:OrdinalObjective", ("cumulative_link",), ("balance",)),
)
register_objective(
    "multilabel",
    ObjectiveEntry("oceanpath.fit.objectives.multilabel:MultilabelObjective", ("bce",), ("balance", "target_weights")),
)
register_objective(
    "survival",
    ObjectiveEntry(
        "oceanpath.fit.objectives.survival:SurvivalObjective", ("cox", "nll"), ("ties", "window", "time_bins")
    ),
)
register_objective(
    "regression", ObjectiveEntry("oceanpath.fit.objectives.regression:RegressionObjective", ("huber", "mse"))
)


def objective_entry(task: str) -> ObjectiveEntry:
    """The objective of a task. Raises: ExperimentError: it has none."""
    if task not in _ENTRIES:
        load_plugins(GROUP)
    if task not in _ENTRIES:
        known = ", ".join(sorted(_ENTRIES))
        raise ExperimentError("the task cannot be trained", where="[data] task", expected=known, got=task)
    return _ENTRIES[task]


def objective_class(task: Task) -> type[Objective]:
    """The class of the objective of a task."""
    module, _, attribute = objective_entry(task.name).where.partition(":")
    objective: type[Objective] = getattr(importlib.import_module(module), attribute)
    return objective


def read_objective(task: Task, record: Mapping[str, Any]) -> Objective:
    """The objective of a checkpoint, as far as predictions need it."""
    return objective_class(task).from_record(task, record)
