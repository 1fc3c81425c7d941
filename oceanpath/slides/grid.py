"""The patch grid: squares of a fixed physical size, starting at the corner of the slide, that contain tissue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.tissue import Tissue

SNAP = 0.02
"""Relative tolerance within which a level is not resampled: at the target resolution or an integer factor above it."""


@dataclass(frozen=True)
class PatchGrid:
    """How the patches of one slide are read."""

    patch_px: int
    """Side of a patch for the encoder."""
    level: int
    read_width: int
    read_height: int
    """Pixels of `level` per patch; equal to `patch_px` if nothing is resampled."""
    footprint_x: float
    footprint_y: float
    """Side of a patch in level-0 pixels."""
    step_x: float
    step_y: float
    """Distance between neighbouring patches in level-0 pixels."""


def plan_grid(reader: SlideReader, patch_px: int, target_mpp: float, overlap: int = 0) -> PatchGrid:
    """Level, read size and footprint for patches of `patch_px` × `target_mpp` micrometres.

    The lowest-resolution level that is not coarser than the target is read, at its float downsample, and averaged.

    Args:
        reader: The slide.
        patch_px: Side of a patch at the target resolution.
        target_mpp: Micrometres per patch pixel.
        overlap: Patch pixels that neighbours share.

    Raises:
        ExperimentError: `overlap` is not smaller than the patch.
        StageError: the slide is coarser than the target, or smaller than one patch.
    """
    if not 0 <= overlap < patch_px:
        raise ExperimentError(
            "extract.overlap must be smaller than extract.patch_px", expected=f"less than {patch_px}", got=overlap
        )
    mpp = reader.mpp
    if max(mpp.x, mpp.y) > target_mpp * (1 + SNAP):
        got = f"{max(mpp.x, mpp.y):g} ({mpp.source})"
        do = "Increase extract.target_mpp (upsampling adds no detail), or leave the slide out with extract.exclude."
        what = "the resolution of the slide is too low for extract.target_mpp"
        raise StageError(what, where=reader.path, expected=target_mpp, got=got, do=do)
    level, width, height = read_plan(reader, patch_px, target_mpp / mpp.x, target_mpp / mpp.y)
    downsample = reader.level_downsamples[level]
    grid = PatchGrid(
        patch_px=patch_px,
        level=level,
        read_width=width,
        read_height=height,
        footprint_x=width * downsample,
        footprint_y=height * downsample,
        step_x=width * downsample * (1 - overlap / patch_px),
        step_y=height * downsample * (1 - overlap / patch_px),
    )
    if reader.width < math.floor(grid.footprint_x) or reader.height < math.floor(grid.footprint_y):
        size = f"{reader.width} x {reader.height} px"
        expected = f"at least {math.ceil(grid.footprint_x)} x {math.ceil(grid.footprint_y)} px"
        do = "Lower extract.patch_px, or leave the slide out with extract.exclude."
        raise StageError("the slide is smaller than one patch", where=reader.path, expected=expected, got=size, do=do)
    return grid


def read_plan(reader: SlideReader, patch_px: int, scale_x: float, scale_y: float) -> tuple[int, int, int]:
    """The lowest-resolution level that is fine enough, and the width and height of a patch in its pixels.

    Args:
        reader: The slide.
        patch_px: Side of a patch for the encoder.
        scale_x: Level-0 pixels per patch pixel, horizontally.
        scale_y: The same vertically.
    """
    downsamples = reader.level_downsamples
    fine = [level for level, ds in enumerate(downsamples) if ds <= min(scale_x, scale_y) * (1 + SNAP)]
    level = max(fine, key=lambda i: downsamples[i])
    width, height = (_read_px(patch_px, patch_px * scale / downsamples[level]) for scale in (scale_x, scale_y))
    return level, width, height


def select_patches(
    reader: SlideReader, grid: PatchGrid, tissue: Tissue, min_tissue: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Patches that are inside the slide and contain enough tissue, row by row.

    Returns:
        coords [N, 2] int32, level-0 top-left x and y, and the tissue fraction [N] of each.
    """
    xs = _starts(reader.width, grid.footprint_x, grid.step_x)
    ys = _starts(reader.height, grid.footprint_y, grid.step_y)
    fractions = tissue_fractions(tissue, xs, ys, grid.footprint_x, grid.footprint_y)
    rows, columns = np.nonzero((fractions >= min_tissue) & (fractions > 0))
    coords = np.stack([xs[columns], ys[rows]], axis=1).astype(np.int32)
    return coords, fractions[rows, columns].astype(np.float32)


def tissue_fractions(
    tissue: Tissue, xs: NDArray[np.int64], ys: NDArray[np.int64], width: float, height: float
) -> NDArray[np.float64]:
    """Tissue fraction [len(ys), len(xs)] of each rectangle, from one integral image, with subpixel precision."""
    h, w = tissue.mask.shape
    integral = np.zeros((h + 1, w + 1))
    integral[1:, 1:] = tissue.mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    left, right = xs / tissue.scale_x, np.minimum((xs + width) / tissue.scale_x, w)
    top, bottom = ys / tissue.scale_y, np.minimum((ys + height) / tissue.scale_y, h)
    lower = _at(integral, bottom, right) - _at(integral, bottom, left)
    sums = lower - _at(integral, top, right) + _at(integral, top, left)
    areas = (bottom - top)[:, None] * (right - left)[None, :]
    fractions: NDArray[np.float64] = np.clip(sums / areas, 0.0, 1.0)
    return fractions


def _read_px(patch_px: int, exact: float) -> int:
    whole = patch_px * max(1, round(exact / patch_px))
    return whole if abs(exact / whole - 1) <= SNAP else round(exact)


def _starts(size: int, footprint: float, step: float) -> NDArray[np.int64]:
    count = max(0, math.floor((size - footprint) / step + 1e-6)) + 1
    starts: NDArray[np.int64] = np.rint(np.arange(count) * step).astype(np.int64)
    return starts


def _at(integral: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The integral image interpolated bilinearly, [len(rows), len(columns)]."""
    r = np.minimum(rows.astype(np.int64), integral.shape[0] - 2)
    c = np.minimum(columns.astype(np.int64), integral.shape[1] - 2)
    fr, fc = (rows - r)[:, None], (columns - c)[None, :]
    upper = integral[np.ix_(r, c)] * (1 - fc) + integral[np.ix_(r, c + 1)] * fc
    lower = integral[np.ix_(r + 1, c)] * (1 - fc) + integral[np.ix_(r + 1, c + 1)] * fc
    values: NDArray[np.float64] = upper * (1 - fr) + lower * fr
    return values
