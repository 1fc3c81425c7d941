"""The experiment of a command without ``-e``."""

from __future__ import annotations

import sys
from pathlib import Path

import oceanpath
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger
from oceanpath.pipeline.ledger_queries import experiment_files
from oceanpath.pipeline.workspace import Workspace

LOCAL = Path("oceanpath.toml")
SOURCE_QUICKSTART = Path("experiments/quickstart.toml")
"""In the source tree of OceanPath."""


def find_experiment(workspace: Path) -> tuple[Path, str]:
    """``./oceanpath.toml``, otherwise the experiment last run in `workspace`, and a reason to print.

    Raises: ExperimentError: there is neither.
    """
    if LOCAL.is_file():
        return LOCAL, "in this folder"
    last = _last_run(workspace)
    if last is not None:
        return last, f"last run in {workspace}"
    start = f"run {SOURCE_QUICKSTART}" if SOURCE_QUICKSTART.is_file() else "run --quickstart"
    raise ExperimentError(
        "no experiment is named, this folder has no oceanpath.toml, and no experiment was run in this workspace",
        where=workspace,
        do=f"Name one with -e FILE, or start with `oceanpath {start}`.",
    )


def quickstart() -> Path:
    """The quickstart experiment that ships with OceanPath."""
    package = Path(oceanpath.__file__).parent
    bundled = package / "quickstart.toml"
    return bundled if bundled.is_file() else package.parent / SOURCE_QUICKSTART


def print_status(text: str, *, quiet: bool) -> None:
    """Print a line on stderr, unless `quiet`."""
    if not quiet:
        print(text, file=sys.stderr)


def _last_run(workspace: Path) -> Path | None:
    """The file of the last experiment that was run; runs without an experiment file are skipped."""
    path = Workspace(workspace.resolve()).ledger
    if not path.is_file():
        return None
    with Ledger(path, read_only=True, tables=READ_BY_RUNS) as ledger:
        return next((file for file in experiment_files(ledger) if file.is_absolute()), None)
