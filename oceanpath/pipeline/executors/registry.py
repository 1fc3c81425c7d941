"""Names of executors and their classes, which are imported only if something must run.

A package adds an executor by an entry point of the group ``oceanpath.executors``: it names a light module that calls
`register_executor` when it is imported. See docs/decisions/0018-executors.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oceanpath.errors import ExperimentError, nearest
from oceanpath.plugins import load_plugins

if TYPE_CHECKING:
    from oceanpath.pipeline.executors.base import Executor

GROUP = "oceanpath.executors"
AUTO = "auto"
"""inline for one job, local for several."""
_EXECUTORS: dict[str, str] = {}


def register_executor(name: str, where: str) -> None:
    """Register the class at ``"module:Class"``, an `Executor` constructed with `jobs`, for ``runtime.executor = name``.

    If the experiment has a table ``[runtime.<name>]``, it is the second argument.

    Raises: ValueError: the name is taken.
    """
    if name in (*_EXECUTORS, AUTO):
        raise ValueError(f"the executor {name!r} is registered already")
    _EXECUTORS[name] = where


register_executor("inline", "oceanpath.pipeline.executors.inline:InlineExecutor")
register_executor("local", "oceanpath.pipeline.executors.local:LocalExecutor")
register_executor("slurm", "oceanpath.pipeline.executors.slurm.executor:SlurmExecutor")


def check_executor(name: str, jobs: int = 1) -> None:
    """Raises: ExperimentError: there is no such executor, or it cannot run so many jobs."""
    if name not in (*_EXECUTORS, AUTO):
        load_plugins(GROUP)
    if name not in (*_EXECUTORS, AUTO):
        expected = ", ".join(sorted([*_EXECUTORS, AUTO]))
        close = nearest(name, [*_EXECUTORS, AUTO])
        do = f"Did you mean {close[0]!r}?" if close else ""
        raise ExperimentError("unknown executor", where="[runtime] executor", expected=expected, got=name, do=do)
    if name == "inline" and jobs > 1:
        what, do = "the executor inline runs one work item at a time", "Set runtime.executor to local or auto."
        raise ExperimentError(what, where="--jobs", expected=1, got=jobs, do=do)


def create_executor(name: str, jobs: int, options: Mapping[str, Any] | None = None) -> Executor:
    """An executor by name, with the table of its options. Raises: as `check_executor`, and as the executor."""
    check_executor(name, jobs)
    if name == AUTO:
        name = "inline" if jobs == 1 else "local"
    module, _, attribute = _EXECUTORS[name].partition(":")
    executor: Executor = getattr(importlib.import_module(module), attribute)(jobs, *([options] if options else []))
    return executor
