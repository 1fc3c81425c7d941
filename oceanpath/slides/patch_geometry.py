"""Rectangles of extracted patches in level-0 pixels, and the origin of coordinates in QuPath."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.features.metadata import FeatureMeta
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.artifacts.score_images.raster import SlidePlane
from oceanpath.slides.grid import read_plan
from oceanpath.slides.reader import SlideReader, open_slide

SAME_PX = 1e-6
"""Relative difference below which two patch sides are equal."""


class PatchGeometry(NamedTuple):
    """What a viewer needs to draw the patches of a slide."""

    footprint: tuple[float, float]
    """Width and height of a patch in level-0 pixels."""
    origin: tuple[int, int]
    """Corner of the scanned area in level-0 pixels; (0, 0) for most scanners."""


def patch_geometry(slide: Path, meta: FeatureMeta) -> PatchGeometry:
    """The geometry of patches that were extracted from `slide`. Raises: as `open_slide`."""
    with open_slide(slide, override_mpp=meta.mpp_x) as reader:
        return PatchGeometry(footprint_on(reader, meta), (reader.bounds.x, reader.bounds.y))


def known_geometry(slide: Path | None, meta: FeatureMeta | None, side: float | None) -> PatchGeometry | None:
    """The geometry as exactly as it is known: from the slide, the attributes of `extract`, or the `side` of patches.

    None if the size of the patches is unknown. Raises: as `open_slide`.
    """
    if meta is not None:
        return PatchGeometry(meta.footprint, (0, 0)) if slide is None else patch_geometry(slide, meta)
    return None if side is None else PatchGeometry((side, side), (0, 0))


def known_plane(slide: Path | None, meta: FeatureMeta | None, provenance: Provenance) -> SlidePlane | None:
    """The plane of level 0 of a slide, as its features state it; None if they do not state its resolution."""
    if meta is not None:
        return SlidePlane((meta.mpp_x, meta.mpp_y), (meta.level0_width, meta.level0_height), slide)
    side_um, side = provenance.patch_um, provenance.patch_px_level0
    return None if side_um is None or side is None else SlidePlane((side_um / side,) * 2, file=slide)


def footprint_on(reader: SlideReader, meta: FeatureMeta) -> tuple[float, float]:
    """Width and height of a patch in level-0 pixels, exact: the read size times the downsample of the level read.

    Patches that were extracted with another grid, such as that of TRIDENT, have the height of `FeatureMeta.footprint`.
    """
    scale_x, scale_y = meta.target_mpp / meta.mpp_x, meta.target_mpp / meta.mpp_y
    level, width, height = read_plan(reader, meta.patch_px, scale_x, scale_y)
    downsample = reader.level_downsamples[level]
    if abs(width * downsample / meta.patch_px_level0 - 1) > SAME_PX:
        return meta.footprint
    return meta.patch_px_level0, height * downsample


def read_patches(slide: Path, meta: FeatureMeta, coords: NDArray[np.integer[Any]]) -> list[NDArray[np.uint8]]:
    """RGB pixels of the patches at `coords` [n, 2] that were extracted from `slide`. Raises: as `open_slide`."""
    with open_slide(slide, override_mpp=meta.mpp_x) as reader:
        scale_x, scale_y = (side / meta.patch_px for side in footprint_on(reader, meta))
        level, width, height = read_plan(reader, meta.patch_px, scale_x, scale_y)
        return [region.copy() for region in reader.regions(coords.astype(np.int64), level, width, height)]
