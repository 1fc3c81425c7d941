"""Extracts slides to be predicted, with the settings in the bundle's contract and the cache of the workspace."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES, SLIDE_SUFFIXES
from oceanpath.artifacts.features.sources import READABLE
from oceanpath.artifacts.left_out import read_left_out
from oceanpath.cli.options import Common
from oceanpath.cli.run import run_plan
from oceanpath.errors import ExperimentError, OceanPathError, StageError
from oceanpath.folders import list_folder
from oceanpath.pipeline.experiment import without_file
from oceanpath.pipeline.plan import plan
from oceanpath.slides.folder import group_by_id, slide_files
from oceanpath.stages.catalog import CATALOG

NAME = "predict"
"""Name of the experiment in the workspace."""
SLIDES = (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)
MULTI_FILE = (".dcm", ".vms", ".vmu")
"""Formats with several files per slide, with unrelated names."""
WITH_FOLDER = ".mrxs"


@dataclass
class Prepared:
    """Features to be predicted, and the slides from which they were extracted."""

    features: list[Path]
    """Feature files, stores, and folders of features."""
    slides: dict[str, Path] = field(default_factory=dict)
    """Slide id → slide, of extracted slides."""
    failures: list[OceanPathError] = field(default_factory=list)
    """One error per slide that could not be extracted."""


def features_of(
    paths: Sequence[Path], contract: Contract, workspace: Path, weights: Path | None, scratch: Path
) -> Prepared:
    """`paths`, with slides and folders of slides replaced by folders of their features.

    Args:
        paths: Paths of the command line.
        contract: Contract of the bundle.
        workspace: Workspace of the extracted features.
        weights: A local file of the encoder's weights.
        scratch: An empty folder for links to single slides.

    Raises: ExperimentError: a folder with slides and features, or a bundle without extraction settings.
        OceanPathError: as `extract`, if no slide of a folder could be extracted.
    """
    slides = [path for path in paths if _is_slides(path)]
    prepared = Prepared([path for path in paths if path not in slides])
    if not slides:
        return prepared
    settings = _settings(contract, weights)
    folders = [path for path in slides if path.is_dir()]
    if len(folders) < len(slides):
        for path in slides:
            if not path.is_dir():
                _link(path, scratch)
        folders.append(scratch)
    for folder in folders:
        _extract(folder, settings, workspace, prepared)
    return prepared


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


def _extract(folder: Path, sets: tuple[str, ...], workspace: Path, prepared: Prepared) -> None:
    """Extract a folder of slides, and add its features and failures."""
    slides = f"data.slides={json.dumps(str(folder.resolve()))}"
    experiment = without_file(NAME, CATALOG, (slides, "data.allow_missing=true", *sets))
    common = Common(workspace=workspace, keep_going=True)
    print(f"extracting with the settings of the bundle: {', '.join(sets)}", file=sys.stderr)
    states = run_plan(plan(experiment, ("extract",)), common)
    features = common.as_workspace().folder("stage", "extract", states[-1].fingerprint)
    prepared.features.append(features)
    found = group_by_id(slide_files(folder, list_folder(folder)))
    prepared.slides |= {slide: files[0].resolve() for slide, files in found.items()}
    failed = read_left_out(features).failed
    prepared.failures += [StageError(reason, where=found[slide][0]) for slide, reason in failed.items()]
