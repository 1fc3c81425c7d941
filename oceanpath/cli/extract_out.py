"""The folder of ``oceanpath extract --out``: feature files of the selected slides, and files of other runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oceanpath.artifacts.features.files import find_features
from oceanpath.artifacts.gather import missing_files, remove_copies, update_links
from oceanpath.errors import StageError, shorten_list
from oceanpath.pipeline.integrity import verify_files
from oceanpath.pipeline.processes import process_tag, token
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.workspace import Workspace, remove_ended


def link_files(folder: Path, out: Path) -> None:
    """Link the files of a published folder into `out`; new files are verified first.

    Raises: ArtifactError: one differs from its sealed digest. StageError: it cannot be written.
    """
    try:
        verify_files(folder, missing_files(folder, out))
        update_links(folder, out, f"{process_tag()}.{token()}")
    except OSError as error:
        raise StageError("the features could not be written there", where=out, got=error) from error


def update_out(state: StepState, workspace: Workspace, out: Path) -> None:
    """Update `out`: remove the files of slides that are now excluded, and report other files.

    Only files of this workspace are removed; `out` may also contain those of other shards and of earlier slides.
    """
    settings: Any = state.step.settings
    stage = state.step.stage.name
    link_files(workspace.folder("stage", stage, state.fingerprint), out)
    remove_ended(out.rglob(".*"))
    published = state.manifest.files if state.manifest else {}
    files = {name: path.relative_to(out) for name, path in find_features(out).items()}
    others = [name for name, path in files.items() if path.as_posix() not in published]
    for name in sorted({*others} & {*settings.exclude}):
        if remove_copies(files[name], out, workspace.folders("part", stage)):
            print(f"removed from {out}: {name}, which is now excluded", file=sys.stderr)
            others.remove(name)
    if others and not settings.shard:
        names = shorten_list(others)
        print(f"{out} also contains features of {len(others)} other slides: {names}", file=sys.stderr)
