"""The slides of a folder, by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES, SLIDE_SUFFIXES, is_one_file, slide_id
from oceanpath.errors import ExperimentError
from oceanpath.folders import Listing

DICOM, MIRAX = ".dcm", ".mrxs"
KNOWN = (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)


def slide_files(root: Path, listing: Listing) -> list[Path]:
    """The files of a listed folder that are slides by their suffix, sorted by name."""
    return [root / name for name in sorted(listing.files) if PurePosixPath(name).suffix.lower() in KNOWN]


def one_file_each(grouped: Mapping[str, Sequence[Path]], root: Path, where: object) -> dict[str, Path]:
    """Slide id → its file, of slides below `root`. Raises: ExperimentError: two slides have the same id."""
    for name, files in grouped.items():
        if len(files) > 1:
            got = f"{name}: " + " and ".join(str(path.relative_to(root)) for path in files)
            raise ExperimentError("two slides have the same id", where=where, got=got, do="Rename one of them.")
    return {name: files[0] for name, files in grouped.items()}


def group_by_id(paths: list[Path]) -> dict[str, list[Path]]:
    """Slide id → its files, sorted by id; a file with two paths counts once.

    The DICOM files of one series are one slide; see `oceanpath.slides.dicom`.
    """
    series: dict[Path, str] = {}
    if dicom := [path for path in paths if path.suffix.lower() == DICOM]:
        from oceanpath.slides.dicom import one_path_per_series  # loads OpenSlide

        series = one_path_per_series(dicom)
    grouped: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix.lower() == DICOM and path not in series:
            continue  # its slide is opened through another file
        files = grouped.setdefault(series.get(path) or slide_id(path), [])
        if not any(is_one_file(path, other) for other in files):
            files.append(path)
    return dict(sorted(grouped.items()))
