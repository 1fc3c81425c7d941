"""Commands that OceanPath proposes; each can be run as printed."""

from __future__ import annotations

import shlex
from pathlib import Path

from oceanpath.cli.experiments import LOCAL
from oceanpath.cli.invocation import OUTPUTS, Common
from oceanpath.pipeline.experiment import Experiment


def command(*words: str | Path) -> str:
    """An `oceanpath` command, quoted for the shell."""
    return shlex.join(["oceanpath", *map(str, words)])


def experiment_command(verb: str, common: Common, experiment: Experiment, *flags: str) -> str:
    """A command with the experiment, workspace and overrides of the current one."""
    file = [] if _is_default(experiment) else ["-e", shown(experiment.path)]
    overrides = [word for pair in common.sets for word in ("--set", pair)]
    return command(verb, *file, *workspace_flag(common.workspace), *overrides, *flags)


def workspace_flag(workspace: Path) -> list[str]:
    """``--workspace DIR``, unless it is the default."""
    return [] if workspace == OUTPUTS else ["--workspace", str(workspace)]


def shown(path: Path) -> str:
    """A path, relative to the current folder if it is inside it."""
    current = Path.cwd()
    return str(path.relative_to(current) if path.is_relative_to(current) else path)


def _is_default(experiment: Experiment) -> bool:
    """Whether commands use the experiment without ``-e``: ``./oceanpath.toml``, or an experiment without a file."""
    return not experiment.path.is_absolute() or experiment.path == LOCAL.resolve()
