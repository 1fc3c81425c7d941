"""Figures of kept and discarded patches: one per capped slide, in the folder of the store."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from oceanpath.artifacts.store.coverage import coverage_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.artifacts.store.source_files import SourceFiles
from oceanpath.pipeline.stage import Progress

FOLDER = "coverage_qc"


def draw_thumbnails(out: Path, features: Path, progress: Progress, features_key: str = "") -> None:
    """Write `coverage_qc/<slide_id>.png` for every capped slide of the store at `out`, from the files below `features`.

    Slides without coordinates are only counted.

    Raises: ArtifactError: a feature file changed since the store was built.
    """
    from oceanpath.figures.coverage import coverage_map, draw_coverage  # loads matplotlib

    store, names = Store(out, check=False), SourceFiles.load(out).names
    capped = np.flatnonzero(store.index.lengths < store.index.raw_lengths).tolist()
    (out / FOLDER).mkdir(exist_ok=True)
    without = 0
    for number in capped:
        coverage = coverage_of(features / os.fsdecode(bytes(names[number])), store, features_key)
        if coverage is None:
            without += 1
            continue
        figure = coverage_map(coverage.slide_id, coverage.coords, coverage.kept, coverage.mpp)
        draw_coverage(out / FOLDER / f"{coverage.slide_id.replace('/', '_')}.png", figure)
    if without:
        progress.note(f"{without} capped slides have no coordinates, and therefore no coverage figure")
