"""Extracts slides to be predicted, with the settings in the bundle's contract and the cache of the workspace."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES, SLIDE_SUFFIXES
from oceanpath.artifacts.features.sources import READABLE
from oceanpath.cli.options import Common
from oceanpath.cli.run import run_plan
from oceanpath.errors import ExperimentError
from oceanpath.folders import list_folder
from oceanpath.pipeline.experiment import without_file
from oceanpath.pipeline.plan import plan
from oceanpath.stages.catalog import CATALOG

NAME = "predict"
"""Name of the experiment in the workspace."""
SLIDES = (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)
MULTI_FILE = (".dcm", ".vms", ".vmu")
"""Formats with several files per slide, with unrelated names."""
WITH_FOLDER = ".mrxs"


def features_of(
    paths: Sequence[Path], contract: Contract, workspace: Path, weights: Path | None, scratch: Path
) -> list[Path]:
    """`paths`, with slides and folders of slides replaced by folders of their features.

    Args:
        paths: Paths of the command line.
        contract: Contract of the bundle.
        workspace: Workspace of the extracted features.
        weights: A local file of the encoder's weights.
        scratch: An empty folder for links to single slides.

    Raises: ExperimentError: a folder with slides and features, or a bundle without extraction settings.
        OceanPathError: as `extract`.
    """
    kept = [path for path in paths if not _is_slides(path)]
    folders = [path for path in paths if _is_slides(path) and path.is_dir()]
    files = [path for path in paths if _is_slides(path) and not path.is_dir()]
    if not folders and not files:
        return kept
    sets = _settings(contract, weights)
    if files:
        for path in files:
            _link(path, scratch)
        folders.append(scratch)
    return [*kept, *(_extract(folder, sets, workspace) for folder in folders)]


def _is_slides(path: Path) -> bool:
    """Whether this is a slide, or a folder of slides. Raises: ExperimentError: a folder with slides and features."""
    if not path.is_dir():
        return path.suffix.lower() in SLIDES
    suffixes = {PurePosixPath(name).suffix.lower() for name in list_folder(path).files}
    slides, features = suffixes.intersection(SLIDES), suffixes.intersection(READABLE)
    if slides and features:
        got = " and ".join(sorted(slides | features))
        do = "Name the files to predict, for example FOLDER/*.h5."
        raise ExperimentError("the folder contains slides and features", where=path, got=got, do=do)
    return bool(slides)


def _settings(contract: Contract, weights: Path | None) -> tuple[str, ...]:
    """The settings ``extract.key=value`` of the training slides."""
    do = "Extract the slides in the same way as the training slides, and predict from their features."
    if contract.extraction is None:
        what = "the bundle has no extraction settings, because OceanPath did not extract its features"
        raise ExperimentError(what, got=f"encoder {contract.encoder or 'not recorded'}", do=do)
    if given := [name for name in contract.given if name != "weights"]:
        what = "the training slides were extracted with additional files, which new slides lack"
        raise ExperimentError(what, got=", ".join(f"extract.{name}" for name in given), do=do)
    if "weights" in contract.given and weights is None:
        do = "Name this file with --weights."
        raise ExperimentError("the weights of the encoder were a local file", got=contract.weights_sha256[:12], do=do)
    keys = CATALOG.stage("extract").settings_class.own_keys()
    known = {key: value for key, value in contract.extraction.items() if key in keys and value not in (None, "")}
    sets = [f"extract.{key}={json.dumps(value)}" for key, value in known.items()]
    return (*sets, *([] if weights is None else [f"extract.weights={json.dumps(str(weights.resolve()))}"]))


def _link(path: Path, scratch: Path) -> None:
    """Link a slide into the folder that `extract` reads."""
    if path.suffix.lower() in MULTI_FILE:
        raise ExperimentError("the slide has several files", where=path, do=f"Name their folder: {path.parent}")
    if not path.is_file():
        raise ExperimentError("the slide does not exist", where=path)
    target = scratch / path.name
    if target.exists():
        if target.resolve() == path.resolve():
            return
        raise ExperimentError(
            "two slides have the same name", where=path, got=target.resolve(), do="Predict them separately."
        )
    target.symlink_to(path.resolve())
    if path.suffix.lower() == WITH_FOLDER:
        (scratch / path.stem).symlink_to(path.resolve().with_suffix(""))


def _extract(folder: Path, sets: tuple[str, ...], workspace: Path) -> Path:
    """The folder of features that `extract` publishes for a folder of slides."""
    experiment = without_file(NAME, CATALOG, (f"data.slides={json.dumps(str(folder.resolve()))}", *sets))
    common = Common(workspace=workspace)
    print(f"extracting with the settings of the bundle: {', '.join(sets)}", file=sys.stderr)
    states = run_plan(plan(experiment, ("extract",)), common)
    return common.as_workspace().folder("stage", "extract", states[-1].fingerprint)
