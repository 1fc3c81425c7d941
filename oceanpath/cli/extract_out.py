"""The folder of ``oceanpath extract --out``: the files of the slides that are chosen now, and what else is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oceanpath.artifacts.features.files import find_features
from oceanpath.artifacts.gather import lay_out, not_laid_out, remove_copies
from oceanpath.errors import StageError
from oceanpath.pipeline.integrity import verify_files
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.workspace import Workspace, remove_ended

SHOWN = 5


def put(folder: Path, out: Path) -> None:
    """Make the files of a published folder appear in `out`; those that are not there yet are compared first.

    Raises: ArtifactError: one differs from its sealed digest. StageError: the system refuses.
    """
    try:
        verify_files(folder, not_laid_out(folder, out))
        lay_out(folder, out, f"{process_tag()}.{token()}")
    except OSError as error:
        raise StageError("the features could not be put there", where=out, got=error) from error


def settle(state: StepState, workspace: Workspace, out: Path) -> None:
    """Bring `out` to what the stage holds; the files of slides that are excluded now are removed, others are named.

    Only files that this workspace made are removed. Other shards, and earlier slides, have their files there too.
    """
    settings: Any = state.step.settings
    stage = state.step.stage.name
    put(workspace.folder("stage", stage, state.fingerprint), out)
    remove_ended(out.rglob(".*"))
    made = state.manifest.files if state.manifest else {}
    files = {name: path.relative_to(out) for name, path in find_features(out).items()}
    others = [name for name, path in files.items() if path.as_posix() not in made]
    for name in sorted({*others} & {*settings.exclude}):
        if remove_copies(files[name], out, workspace.folders("part", stage)):
            print(f"removed from {out}: {name}, which is excluded now", file=sys.stderr)
            others.remove(name)
    if others and not settings.shard:
        named = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
        print(f"{out} also holds features of {len(others)} other slides: {named}", file=sys.stderr)
