"""Patch coordinates of another tool, located by slide id and checked against the requested grid."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.ids import describe_missing, slide_id
from oceanpath.artifacts.features.files import read_coords_file
from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.grid import PatchGrid
from oceanpath.slides.reader import SlideReader

TOLERANCE = 0.02
"""Relative tolerance of the patch side, to allow for integer pixels and rounded magnifications."""


def coords_file(folder: Path, name: str) -> Path | None:
    """The coordinates file of a slide in `folder`: TRIDENT's `<slide_id>_patches.h5`, or CLAM's `<slide_id>.h5`."""
    return next((path for path in (folder / f"{name}_patches.h5", folder / f"{name}.h5") if path.is_file()), None)


def coords_digests(folder: Path, names: Iterable[str], digest: Callable[[Path], str]) -> dict[str, str]:
    """Slide id → digest of its coordinates file.

    Raises: ExperimentError: the folder does not exist, or slides have no file in it.
    """
    if not folder.is_dir():
        raise ExperimentError("the folder of patch coordinates does not exist", where="extract.coords", got=folder)
    files = {name: coords_file(folder, name) for name in names}
    if missing := [name for name, path in files.items() if path is None]:
        known = [slide_id(path).removesuffix("_patches") for path in sorted(folder.glob("*.h5"))]
        got = f"{len(missing)} of {len(files)}: {describe_missing(missing, known)}"
        do = "Add their files, or leave these slides out with extract.exclude."
        raise ExperimentError("slides have no file of patch coordinates", where=folder, got=got, do=do)
    return {name: digest(path) for name, path in files.items() if path is not None}


def read_coords(folder: Path, reader: SlideReader, grid: PatchGrid) -> NDArray[np.int32]:
    """Level-0 top-left pixels [N, 2] of the patches of a slide, in the order of its file.

    Raises:
        ArtifactError: the file is damaged or empty.
        StageError: there is no file, or it is for other patches than requested, or for another slide.
    """
    path = coords_file(folder, slide_id(reader.path))
    if path is None:
        raise StageError("the slide has no file of patch coordinates", where=reader.path, expected=folder)
    coords, side = read_coords_file(path)
    if side is not None and abs(side / grid.footprint_x - 1) > TOLERANCE:
        expected, got = f"a side of {grid.footprint_x:g} level-0 px", f"{side:g}"
        do = f"Set extract.patch_px and extract.target_mpp so that a patch is {side * reader.mpp.x:g} µm wide."
        raise StageError(
            "the coordinates are for patches of another size", where=path, expected=expected, got=got, do=do
        )
    if (coords < 0).any() or (coords >= [reader.width, reader.height]).any():
        expected, got = f"inside {reader.width} x {reader.height} px", f"up to {coords.max(axis=0).tolist()}"
        raise StageError("the coordinates are outside the slide", where=path, expected=expected, got=got)
    return coords
