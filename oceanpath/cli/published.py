"""Published results, for commands that read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from oceanpath.artifacts.gather import is_published
from oceanpath.cli.commands import experiment_command
from oceanpath.cli.options import Common
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.digests import hash_files
from oceanpath.pipeline.integrity import refuse
from oceanpath.pipeline.workspace import Manifest, read_manifest


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


@dataclass
class Verifier:
    """Compares published files with their digests one by one; reads the manifest of a folder once."""

    _folders: dict[Path, Path | None] = field(default_factory=dict)
    """Parent of a file → the published folder that contains it."""
    _manifests: dict[Path, Manifest | None] = field(default_factory=dict)

    def verify(self, path: Path) -> None:
        """Compare a file with its digest before it is read; accepts files that are not in a published folder.

        Raises: ArtifactError: it differs.
        """
        place = path.absolute()
        if place.parent not in self._folders:
            self._folders[place.parent] = next(filter(is_published, place.parents), None)
        folder = self._folders[place.parent]
        if folder is None:
            return
        if folder not in self._manifests:
            self._manifests[folder] = read_manifest(folder.resolve())
        manifest, name = self._manifests[folder], place.relative_to(folder).as_posix()
        if manifest is not None and name in manifest.files and hash_files([place]) != [manifest.files[name]["digest"]]:
            refuse([folder.resolve() / name])
