"""The values of the options that all commands share, and the experiment that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oceanpath.cli.experiments import find_experiment, print_status
from oceanpath.pipeline.experiment import Experiment, load
from oceanpath.pipeline.workspace import Workspace
from oceanpath.stages.catalog import CATALOG

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class Common:
    """Values of the common options."""

    experiment: Path | None = None
    sets: tuple[str, ...] = ()
    workspace: Path = OUTPUTS
    to: str = ""
    force: tuple[str, ...] = ()
    jobs: int = 1
    keep_going: bool = False
    dry_run: bool = False
    mermaid: bool = False
    as_json: bool = False
    quiet: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    """Values of the command's own options."""

    def as_workspace(self) -> Workspace:
        """The workspace."""
        return Workspace(self.workspace.resolve())

    def named(self) -> Common:
        """The same with an experiment file; its path is printed if it was not named.

        Raises: ExperimentError: there is no experiment.
        """
        if self.experiment is not None:
            return self
        path, reason = find_experiment(self.workspace)
        print_status(f"experiment: {path} ({reason})", quiet=self.quiet)
        return replace(self, experiment=path)

    def load(self) -> Experiment:
        """The experiment of the command, read and checked; its path is printed if it was not named.

        Raises: ExperimentError: there is no experiment, or its file has errors.
        """
        path = self.named().experiment
        assert path is not None, "named() finds one or raises"
        experiment = load(path, CATALOG, self.sets, self.workspace.resolve())
        for line in experiment.replaced():
            print_status(f"warning: {line}", quiet=self.quiet)
        return experiment
