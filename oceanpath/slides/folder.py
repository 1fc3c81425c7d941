"""The slides of a folder, by id."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from oceanpath.artifacts.cohort.ids import CLOSED_SUFFIXES, SLIDE_SUFFIXES, is_one_file, slide_id
from oceanpath.folders import Listing

DICOM, MIRAX = ".dcm", ".mrxs"
KNOWN = (*SLIDE_SUFFIXES, *CLOSED_SUFFIXES)


def slide_files(root: Path, listing: Listing) -> list[Path]:
    """The files of a listed folder that are slides by their suffix, sorted by name."""
    return [root / name for name in sorted(listing.files) if PurePosixPath(name).suffix.lower() in KNOWN]


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
