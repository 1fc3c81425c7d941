"""The patch grid of TRIDENT: rounded magnifications, patches beyond the edges of the slide, column by column.

The rules of version 0.3.1 (WSIPatcher; Zhang et al. 2025, arXiv:2502.06750), so that slides can be added to a cohort
extracted with it. Pixels, tissue and contours follow OceanPath; docs/trident.md describes the differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.grid import PatchGrid, read_plan, tissue_fractions
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.resolution import POWER_TIMES_MPP
from oceanpath.slides.tissue import Tissue

MAGNIFICATIONS = ((0.16, 80), (0.2, 60), (0.3, 40), (0.6, 20), (1.2, 10), (2.4, 5))
"""Upper limit in micrometres per pixel → magnification."""
DECIMALS = 4
"""Decimals to which an mpp is rounded before the comparison."""


def whole_magnification(target_mpp: float) -> int:
    """The magnification of `target_mpp`.

    Raises: ExperimentError: it is not a whole number, which TRIDENT requires.
    """
    magnification = POWER_TIMES_MPP / target_mpp
    if abs(magnification - round(magnification)) > 1e-6:
        expected = "10 divided by a whole number, such as 0.25, 0.5 or 1"
        raise ExperimentError(
            "TRIDENT supports only whole magnifications", where="extract.target_mpp", expected=expected, got=target_mpp
        )
    return round(magnification)


def plan_trident_grid(reader: SlideReader, patch_px: int, target_mpp: float, overlap: int = 0) -> PatchGrid:
    """TRIDENT's grid: squares of level-0 pixels whose side is the patch side times a ratio of magnifications.

    Raises:
        ExperimentError: no whole magnification, or `overlap` is not smaller than the patch.
        StageError: the slide has no magnification, or a lower one than requested.
    """
    if not 0 <= overlap < patch_px:
        raise ExperimentError(
            "extract.overlap must be smaller than extract.patch_px", expected=f"less than {patch_px}", got=overlap
        )
    target, source = whole_magnification(target_mpp), _magnification(reader)
    if source < target:
        got = f"{source}x (mpp {reader.mpp.x:g}, {reader.mpp.source})"
        what = "the resolution of the slide is too low for extract.target_mpp"
        do = "Increase extract.target_mpp (upsampling adds no detail), or leave the slide out with extract.exclude."
        raise StageError(what, where=reader.path, expected=f"{target}x", got=got, do=do)
    scale = (POWER_TIMES_MPP / target) / (POWER_TIMES_MPP / source)
    side, shared = round(patch_px * scale), round(overlap * scale)
    level, width, height = read_plan(reader, patch_px, side / patch_px, side / patch_px)
    return PatchGrid(
        patch_px, level, width, height, float(side), float(side), float(side - shared), float(side - shared)
    )


def select_trident_patches(
    reader: SlideReader, grid: PatchGrid, tissue: Tissue, min_tissue: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Patches that start inside the slide and contain enough tissue, column by column.

    Returns:
        coords [N, 2] int32, level-0 top-left x and y, and the tissue fraction [N] of each whole patch; the area beyond
        the edge of the slide counts as no tissue.
    """
    xs = _starts(reader.width, grid.footprint_x, grid.step_x)
    ys = _starts(reader.height, grid.footprint_y, grid.step_y)
    inside_x = np.minimum(1, (reader.width - xs) / grid.footprint_x)
    inside_y = np.minimum(1, (reader.height - ys) / grid.footprint_y)
    shares = tissue_fractions(tissue, xs, ys, grid.footprint_x, grid.footprint_y) * np.outer(inside_y, inside_x)
    columns, rows = np.nonzero(((shares >= min_tissue) & (shares > 0)).T)
    return np.stack([xs[columns], ys[rows]], axis=1).astype(np.int32), shares[rows, columns].astype(np.float32)


def _magnification(reader: SlideReader) -> int:
    mpp = round(reader.mpp.x, DECIMALS)
    magnification = next((magnification for limit, magnification in MAGNIFICATIONS if mpp < limit), None)
    if magnification is None:
        expected, do = f"below {MAGNIFICATIONS[-1][0]} µm per pixel", "Leave the slide out with extract.exclude."
        raise StageError(
            "TRIDENT has no magnification for this mpp", where=reader.path, expected=expected, got=mpp, do=do
        )
    return magnification


def _starts(size: int, side: float, step: float) -> NDArray[np.int64]:
    """Positions below `size`: the second patch does not overlap the first; each later one overlaps its predecessor."""
    later = np.arange(side, size, step)
    starts: NDArray[np.int64] = np.concatenate([[0], later]).astype(np.int64)
    return starts
