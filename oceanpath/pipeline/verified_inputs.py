"""Comparison of the inputs of a step with their sealed digests, before the step starts.

Small files are read and compared each time. Files that a stage names in `Stage.self_checked` are compared by its work
when it first reads them, so that no step reads gigabytes twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from oceanpath.errors import ArtifactError
from oceanpath.pipeline.integrity import changed, refuse
from oceanpath.pipeline.stage import Inputs, Stage


def verified(inputs: Inputs, stage: Stage) -> Inputs:
    """The inputs of a step after comparison, with undamaged earlier results only.

    Raises: ArtifactError: files of a parent differ from their sealed digests; the error states their number.
    """
    if not inputs.verify:
        return inputs
    folders = {folder: name for name, variants in inputs.across.items() for folder in variants.values()}
    folders |= {folder: name for name, folder in inputs.parents.items()}
    refuse([path for folder, name in folders.items() for path in changed(folder, stage.compared(name))])
    return replace(inputs, earlier=tuple(folder for folder in inputs.earlier if _is_undamaged(folder, stage)))


def verify_parts(stage: Stage, folders: Iterable[Path]) -> None:
    """Compare parts before their files are linked into the combined result. Raises: ArtifactError: as `verified`."""
    refuse([path for folder in folders for path in changed(folder, stage.compared(stage.name), linked=True)])


def _is_undamaged(folder: Path, stage: Stage) -> bool:
    try:
        return not changed(folder, stage.compared(stage.name), linked=True)
    except ArtifactError:
        return False  # nothing is reused from it
