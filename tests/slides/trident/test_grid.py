"""Places as TRIDENT's rules give them, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.resolution import Resolution
from oceanpath.slides.tissue import Tissue
from oceanpath.slides.trident.grid import plan_trident_grid, select_trident_patches


def slide(width: int, height: int, mpp: float, downsamples: tuple[float, ...] = (1.0,)) -> SlideReader:
    """What the geometry needs of a reader."""
    mpp_ = Resolution(mpp, mpp, "test")
    reader = SimpleNamespace(path=Path("s.svs"), width=width, height=height, mpp=mpp_, level_downsamples=downsamples)
    return cast(SlideReader, reader)


def tissue(width: int, height: int, box: tuple[int, int, int, int]) -> Tissue:
    """A mask of 4 level-0 pixels a pixel; `box` is left, top, right, bottom in level-0 pixels."""
    mask = np.zeros((height // 4, width // 4), bool)
    left, top, right, bottom = (edge // 4 for edge in box)
    mask[top:bottom, left:right] = True
    return Tissue(mask, 4.0, 4.0)


def test_column_order_and_patches_beyond_the_edges() -> None:
    reader = slide(1100, 700, 0.25)
    grid = plan_trident_grid(reader, 256, 0.5)
    coords, shares = select_trident_patches(reader, grid, tissue(1100, 700, (0, 0, 1100, 700)), 0.0)
    assert coords.tolist() == [[0, 0], [0, 512], [512, 0], [512, 512], [1024, 0], [1024, 512]]
    below, right = 188 / 512, 76 / 512  # what lies inside of the last row and column
    assert shares == pytest.approx([1, below, 1, below, right, below * right], abs=1e-6)
    assert coords.dtype == np.int32 and shares.dtype == np.float32


def test_any_touch_keeps_a_patch_at_zero_and_whole_patches_count_above() -> None:
    reader = slide(1100, 700, 0.25)
    grid, seen = plan_trident_grid(reader, 256, 0.5), tissue(1100, 700, (508, 0, 1100, 256))
    every, shares = select_trident_patches(reader, grid, seen, 0.0)
    assert every.tolist() == [[0, 0], [512, 0], [1024, 0]]  # the first is touched by 4 pixels of a column
    assert shares == pytest.approx([4 * 256 / 512**2, 0.5, 76 * 256 / 512**2], abs=1e-6)
    assert select_trident_patches(reader, grid, seen, 0.07)[0].tolist() == [[512, 0], [1024, 0]]
    assert select_trident_patches(reader, grid, seen, 0.5)[0].tolist() == [[512, 0]]


@pytest.mark.parametrize(
    ("mpp", "side"),
    [
        (0.15, 1024),  # 80x
        (0.16, 768),  # 60x
        (0.1999, 768),
        (0.19996, 512),  # 0.2000 after four decimals: 40x
        (0.25, 512),
        (0.2999, 512),
        (0.3, 256),  # 20x, as 0.31, 0.5 and 0.59
        (0.31, 256),
        (0.5, 256),
        (0.5999, 256),
    ],
)
def test_the_side_follows_the_rounded_magnification(mpp: float, side: int) -> None:
    grid = plan_trident_grid(slide(9000, 9000, mpp), 256, 0.5)
    assert (grid.footprint_x, grid.footprint_y, grid.step_x) == (side, side, side)


def test_sides_that_are_no_whole_factor_are_rounded() -> None:
    assert plan_trident_grid(slide(9000, 9000, 0.18), 225, 0.25).footprint_x == 338  # 225 * 60 / 40 = 337.5


def test_the_first_step_of_overlapping_patches_is_a_whole_patch() -> None:
    reader = slide(1300, 512, 0.25)
    grid = plan_trident_grid(reader, 256, 0.5, overlap=64)
    coords, _ = select_trident_patches(reader, grid, tissue(1300, 512, (0, 0, 1300, 512)), 0.0)
    assert coords.tolist() == [[0, 0], [512, 0], [896, 0], [1280, 0]]


def test_a_deeper_level_is_read_where_it_is_fine_enough() -> None:
    grid = plan_trident_grid(slide(9000, 9000, 0.25, (1.0, 3.9985, 16.0)), 256, 2.0)
    assert (grid.level, grid.read_width, grid.footprint_x) == (1, 512, 2048)


def test_a_slide_smaller_than_a_patch_is_one_patch() -> None:
    reader = slide(100, 60, 0.5)
    coords, shares = select_trident_patches(
        reader, plan_trident_grid(reader, 256, 0.5), tissue(100, 60, (0, 0, 100, 60)), 0.0
    )
    assert coords.tolist() == [[0, 0]] and shares == pytest.approx([100 * 60 / 256**2])


def test_unsupported_grids_are_refused() -> None:
    with pytest.raises(StageError, match=r"s\.svs: .*too low.*expected 20x, got 10x \(mpp 0\.6, test\)"):
        plan_trident_grid(slide(9000, 9000, 0.6), 256, 0.5)
    with pytest.raises(StageError, match=r"no magnification for this mpp; expected below 2\.4 µm per pixel, got 2\.4"):
        plan_trident_grid(slide(9000, 9000, 2.4), 256, 2.0)
    with pytest.raises(ExperimentError, match="whole magnifications"):
        plan_trident_grid(slide(9000, 9000, 0.25), 256, 0.3)
    with pytest.raises(ExperimentError, match="overlap"):
        plan_trident_grid(slide(9000, 9000, 0.25), 256, 0.5, overlap=256)
