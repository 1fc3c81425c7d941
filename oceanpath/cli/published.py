"""The published results of an experiment, for commands that read them."""

from __future__ import annotations

from pathlib import Path

from oceanpath.cli.commands import experiment_command
from oceanpath.cli.options import Common
from oceanpath.errors import ExperimentError


def published_folder(stage: str, experiment: Path | None, workspace: Path, noun: str, do: str) -> Path:
    """The folder of a stage of an experiment.

    `noun` names its result; `do` is the advice if there is none, with ``{}`` for the command that makes it.

    Raises: ExperimentError: the experiment has no such result yet.
    """
    common = Common(experiment, workspace=workspace)
    loaded = common.load()
    folder = workspace / "experiments" / loaded.name / stage
    if not folder.is_dir():
        do = do.format(experiment_command(stage, common, loaded))
        raise ExperimentError(f"this experiment has no {noun} yet", where=folder, do=do)
    return folder
