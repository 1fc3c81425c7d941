"""The feature files of a folder by slide id, and its other files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from oceanpath.artifacts.cohort.ids import is_one_file, slide_id
from oceanpath.artifacts.features.sources import READABLE
from oceanpath.artifacts.features.trident_job import feature_set, is_ignored
from oceanpath.errors import ExperimentError
from oceanpath.folders import FOLDER_FILES, Listing, list_folder

NOT_FEATURES = ("thumbnails/", "masks/", "left_out.json", "manifest.json")
"""Folders that `extract` publishes in addition to features."""
COMPANIONS = (".index.npz", ".coordinates.npz")
"""Coordinate files of Slideflow and slide2vec."""


def find_features(directory: Path, names: Iterable[str] | None = None) -> dict[str, Path]:
    """Slide id → feature file for everything below `directory`, sorted by id; see `oceanpath.folders`.

    A link without a target is included; opening it is an error with its name. With `names`, relative to `directory`,
    only these files are included. Of a TRIDENT job only the patch features are included
    (see `oceanpath.artifacts.features.trident_job`).

    Raises:
        ExperimentError: no such folder, no feature files in it, two files with one slide id, or a TRIDENT job with
            several feature sets.
    """
    if directory.suffix.lower() in FOLDER_FILES:
        return {slide_id(directory): directory}
    if not directory.is_dir():
        raise ExperimentError("no such folder of features", where=directory, do="Set data.features to a folder.")
    listed = list(_listed(directory).files if names is None else names)
    files_by_id = features_by_id(directory, (directory / name for name in listed))
    if not files_by_id:
        only_coords = any(name.endswith(".h5") and is_ignored(directory / name, directory) for name in listed)
        do = (
            "It contains TRIDENT's patch coordinates but no features: extract features from data.slides."
            if only_coords
            else ""
        )
        raise ExperimentError("the folder has no features", where=directory, expected=" ".join(READABLE), do=do)
    return files_by_id


def features_by_id(directory: Path, files: Iterable[Path]) -> dict[str, Path]:
    """Slide id → feature file for the feature files among `files` below `directory`, sorted by id.

    Raises: ExperimentError: two of them have the same slide id, or they are several feature sets of a TRIDENT job.
    """
    paths = [path for path in sorted(files) if _is_features(path, directory)]
    feature_set(paths, directory)  # several sets are reported as such, before their slides are reported as duplicates
    files_by_id: dict[str, Path] = {}
    for path in paths:
        name = slide_id(path)
        if name in files_by_id and is_one_file(files_by_id[name], path):
            continue
        if name in files_by_id:
            both = f"{files_by_id[name].relative_to(directory)} and {path.relative_to(directory)}"
            raise ExperimentError("two feature files have the same slide id", where=directory, got=f"{name}: {both}")
        files_by_id[name] = path
    return dict(sorted(files_by_id.items()))


def describe_unused(directory: Path, used: Iterable[Path]) -> str:
    """A description of the files below a folder of features that are not `used`; "" if there are none.

    Other files of a TRIDENT job or of `extract` are not counted.
    """
    if directory.suffix.lower() in FOLDER_FILES:
        return ""
    listing = _listed(directory)
    names = {path.relative_to(directory).as_posix() for path in used}
    names |= {
        name for name in listing.files if name.startswith(NOT_FEATURES) or is_ignored(directory / name, directory)
    }
    return listing.describe_unused(names)


def _listed(directory: Path) -> Listing:
    try:
        return list_folder(directory)
    except OSError as error:
        raise ExperimentError("the folder cannot be listed", where=directory, got=error) from error


def _is_features(path: Path, directory: Path) -> bool:
    readable = path.suffix.lower() in READABLE and not path.name.lower().endswith(COMPANIONS)
    return readable and not is_ignored(path, directory)
