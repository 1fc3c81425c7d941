"""The table ``[runtime.slurm]``: resources of jobs, and how work is divided among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oceanpath.errors import ExperimentError, OceanPathError, nearest, refuse

RESOURCES = (
    *("account", "clusters", "constraint", "cpus_per_gpu", "cpus_per_task", "exclude", "gpus", "gres", "licenses"),
    *("mem", "mem_per_cpu", "mem_per_gpu", "nice", "nodelist", "partition", "qos", "reservation", "time", "tmp"),
)
"""Options of sbatch, with ``_`` for ``-``; Slurm itself checks their values."""
WHERE = "[runtime.slurm]"


@dataclass(frozen=True)
class SlurmOptions:
    """The settings of the executor. None of them changes a result."""

    resources: Mapping[str, str] = field(default_factory=dict)
    """Options of sbatch → value."""
    stages: Mapping[str, SlurmOptions] = field(default_factory=dict)
    """Stage → its own options, with all others included."""
    setup: str = ""
    """Lines of shell before each task: modules, a virtual environment, a container."""
    chunk: int = 1
    """Number of work items per array task, which computes them one after the other."""
    signal_seconds: int = 120
    """Seconds before the time limit at which a task is stopped and requeued; work that keeps a journal resumes."""
    attempts: int = 3
    """Number of times that a work item is submitted, if its task or node is lost."""
    heartbeat_minutes: float = 10.0
    """A running task without a sign of life for so long is cancelled and submitted again."""
    poll_seconds: float = 5.0
    """Interval between two questions to the scheduler."""
    cancel: bool = False
    """Whether Ctrl-C cancels the jobs; otherwise they continue, and the next run attaches to them."""

    def of(self, stage: str) -> SlurmOptions:
        """The options of one stage."""
        return self.stages.get(stage, self)


KEYS = {
    "setup": str,
    "chunk": int,
    "signal_seconds": int,
    "attempts": int,
    "heartbeat_minutes": (int, float),
    "poll_seconds": (int, float),
    "cancel": bool,
}
LEAST = {"chunk": 1, "signal_seconds": 0, "attempts": 1, "heartbeat_minutes": 0.05, "poll_seconds": 0.1}


def parse_options(table: Mapping[str, Any]) -> SlurmOptions:
    """The options in a ``[runtime.slurm]`` table; a table inside it has the name of a stage.

    Raises: ExperimentError: an unknown key or a value of the wrong type, all of them in one error.
    """
    problems: list[OceanPathError] = []
    common = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    own = _options(common, WHERE, problems)
    stages = {
        name: _options({**common, **value}, f"[runtime.slurm.{name}]", problems)
        for name, value in table.items()
        if isinstance(value, Mapping)
    }
    refuse(problems)
    return SlurmOptions(**{**vars(own), "stages": stages})


def _options(table: Mapping[str, Any], where: str, problems: list[OceanPathError]) -> SlurmOptions:
    resources, keys = {}, {}
    for key, value in table.items():
        if key in RESOURCES and isinstance(value, (str, int)) and not isinstance(value, bool):
            resources[key] = str(value)
        elif key in RESOURCES:
            problems.append(ExperimentError("expected text or a whole number", where=f"{where} {key}", got=value))
        elif key not in KEYS:
            close = nearest(key, [*RESOURCES, *KEYS])
            do = f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join([*RESOURCES, *KEYS])}."
            problems.append(ExperimentError(f"unknown key '{key}'", where=where, do=do))
        elif problem := _problem(key, value):
            problems.append(ExperimentError(problem, where=f"{where} {key}", got=value))
        else:
            keys[key] = value
    return SlurmOptions(resources=resources, **keys)


def _problem(key: str, value: Any) -> str:
    wanted: Any = KEYS[key]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        names = {str: "text", int: "a whole number", bool: "true or false"}
        return f"expected {names.get(wanted, 'a number')}"
    return f"expected {LEAST[key]} or more" if key in LEAST and value < LEAST[key] else ""
