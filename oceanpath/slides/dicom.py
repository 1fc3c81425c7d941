"""DICOM slides: one or more files per level, of one series in one folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import openslide

from oceanpath.artifacts.cohort.ids import slide_id

SERIES = "dicom.SeriesInstanceUID"


def one_path_per_series(paths: Iterable[Path]) -> dict[Path, str]:
    """File to open → slide id; the DICOM files of one series in one folder are one slide (DICOM PS3.3, A.32.8).

    The slide is opened by its first file in order of names. Its id is the name of its folder if the folder contains
    only that series, in several files; otherwise the name of its first file. A file that cannot be opened, or does
    not state its series, is a slide of its own, so that its error names it.
    """
    series: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in sorted(paths):
        series[path.parent, _series(path) or path.name].append(path)
    folders = [folder for folder, _ in series]
    return {
        files[0]: folder.name if len(files) > 1 and folders.count(folder) == 1 else slide_id(files[0])
        for (folder, _), files in series.items()
    }


def _series(path: Path) -> str:
    try:
        with openslide.OpenSlide(path) as slide:
            return str(slide.properties.get(SERIES, ""))
    except openslide.OpenSlideError:
        return ""
