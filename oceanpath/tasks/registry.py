"""Names of tasks → their classes and the settings they read. Light: a task is imported only when it is used.

A package adds tasks by entry points of the group ``oceanpath.tasks``: modules that call `register_task`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from oceanpath.errors import ArtifactError, ExperimentError, nearest
from oceanpath.plugins import load_plugins

if TYPE_CHECKING:
    from oceanpath.tasks.base import Task

GROUP = "oceanpath.tasks"
CLASSIFICATION = "classification"


class TaskEntry(NamedTuple):
    """One task."""

    where: str
    """Its class, as ``"module:Class"``."""
    monitors: tuple[str, ...]
    """Validation scores that may select the epoch; the first is the default."""
    keys: tuple[str, ...] = ()
    """Keys of `[data]` that belong to this task."""
    required: tuple[str, ...] = ()
    """Those of `keys` that must be set."""
    reads_label: bool = True
    """Whether the column of `data.label` is read; otherwise `keys` name the columns."""
    is_exportable: bool = False
    """Whether its models can be exported to a bundle."""
    main: tuple[str, str] = ("", "")
    """Its main metric and the title of that metric, for tables that are printed without numpy."""
    shown: tuple[tuple[str, ...], ...] = ((),)
    """Further metrics of printed tables: the first of these groups that an evaluation contains completely."""
    proposal: str = ""
    """Function that proposes targets of this task for a table, as ``"module:function"``; see `proposals`."""


_ENTRIES: dict[str, TaskEntry] = {}


def register_task(name: str, entry: TaskEntry) -> None:
    """Add a task. Raises: ValueError: the name is taken."""
    if name in _ENTRIES:
        raise ValueError(f"the task {name!r} is already registered")
    _ENTRIES[name] = entry


register_task(
    CLASSIFICATION,
    TaskEntry(
        "oceanpath.tasks.classification:Classification",
        ("val_loss", "val_auroc"),
        ("classes",),
        is_exportable=True,
        main=("auroc", "AUROC"),
        shown=(("sensitivity", "specificity"), ("balanced_accuracy",)),
        proposal="oceanpath.tasks.class_proposal:propose_classes",
    ),
)

register_task(
    "ordinal",
    TaskEntry(
        "oceanpath.tasks.ordinal:Ordinal",
        ("val_loss", "val_auroc"),
        ("classes",),
        required=("classes",),
        is_exportable=True,
        main=("kappa_quadratic", "Quadratic kappa"),
        shown=(("mae_grade", "auroc", "balanced_accuracy"),),
        proposal="oceanpath.tasks.class_proposal:propose_ordered",
    ),
)
register_task(
    "multilabel",
    TaskEntry(
        "oceanpath.tasks.multilabel:Multilabel",
        ("val_loss", "val_auroc"),
        ("targets", "positive"),
        required=("targets",),
        reads_label=False,
        is_exportable=True,
        main=("auroc", "Macro AUROC"),
        shown=(("auprc", "brier"),),
    ),
)
register_task(
    "survival",
    TaskEntry(
        "oceanpath.tasks.survival:Survival",
        ("val_loss", "val_c_index"),
        ("time", "event", "event_value", "time_unit", "zero_time", "horizons"),
        required=("time", "event", "event_value", "time_unit"),
        reads_label=False,
        is_exportable=True,
        main=("c_index", "C-index"),
        shown=(("c_index_within_folds", "c_uno", "auc_dynamic", "ibs", "ibs_scaled"),),
        proposal="oceanpath.tasks.survival_proposal:propose_survival",
    ),
)
register_task(
    "regression",
    TaskEntry(
        "oceanpath.tasks.regression:Regression",
        ("val_loss", "val_mae"),
        is_exportable=True,
        main=("r2", "R²"),
        shown=(("mae", "pearson", "spearman"),),
        proposal="oceanpath.tasks.number_proposal:propose_numbers",
    ),
)


def task_names() -> list[str]:
    """All known names including those of plug-ins, sorted."""
    load_plugins(GROUP)
    return sorted(_ENTRIES)


def task_keys() -> set[str]:
    """Keys of `[data]` that belong to a task."""
    return {key for entry in _ENTRIES.values() for key in entry.keys}


def task_entry(name: str) -> TaskEntry:
    """The entry of a task. Raises: ExperimentError: the name is unknown."""
    if name not in _ENTRIES:
        load_plugins(GROUP)
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = nearest(name, _ENTRIES)
    do = f"Did you mean {close[0]!r}?" if close else ""
    raise ExperimentError("unknown task", where="[data] task", expected=", ".join(task_names()), got=name, do=do)


def make_task(name: str, settings: Mapping[str, Any]) -> Task:
    """The task `name`, from its keys of `[data]`."""
    return _class_of(task_entry(name)).from_settings(settings)


def read_task(record: Mapping[str, Any], where: Path | str) -> Task:
    """The task of a published file, by the keys that `Task.record` wrote.

    Raises: ArtifactError: the file states no task, or an unknown one.
    """
    entry = read_entry(record, where)
    return _class_of(entry).from_record(record, where)


def read_entry(record: Mapping[str, Any], where: Path | str) -> TaskEntry:
    """The registry entry of the task of a published file, without importing the task.

    Raises: ArtifactError: the file states an unknown task.
    """
    name = str(record.get("task", CLASSIFICATION))
    try:
        return task_entry(name)
    except ExperimentError as error:
        raise ArtifactError("unknown task", where=where, expected=error.expected, got=name) from error


def read_titles(record: Mapping[str, Any], where: Path | str) -> dict[str, str]:
    """Titles of metrics and baselines of the task of a published file, as far as it has its own.

    Raises: ArtifactError: the file states an unknown task.
    """
    return {**_class_of(task_entry(CLASSIFICATION)).titles, **_class_of(read_entry(record, where)).titles}


def _class_of(entry: TaskEntry) -> type[Task]:
    task_class: type[Task] = _resolve(entry.where)
    return task_class


def proposal_function(name: str) -> Callable[..., Any] | None:
    """The function that proposes targets of a task; None if the task has none."""
    entry = task_entry(name)
    function: Callable[..., Any] | None = _resolve(entry.proposal) if entry.proposal else None
    return function


def _resolve(where: str) -> Any:
    """The object at ``"module:attribute"``."""
    module, _, attribute = where.partition(":")
    return getattr(importlib.import_module(module), attribute)
