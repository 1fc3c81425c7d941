"""Patches have the pixels at their coordinates, whatever the order and the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide

PIXELS = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint8)


@pytest.mark.parametrize("mpp", [0.5, 0.25, 0.31, 0.2525])
@pytest.mark.parametrize("tiles", [True, False])
def test_patches_do_not_depend_on_batch_or_order(tmp_path: Path, mpp: float, tiles: bool) -> None:
    write_aperio(tmp_path / "a.svs", PIXELS, mpp)
    with open_slide(tmp_path / "a.svs", tiles=tiles) as slide:
        grid = plan_grid(slide, 100, 0.5)
        coords = np.array([[0, 0], [200, 0], [90, 310], [0, 500], [777, 700]], np.int32)
        together = read_patches(slide, grid, coords)
        order = np.array([3, 0, 4, 2, 1])
        into = np.empty_like(together)
        assert read_patches(slide, grid, coords[order], into) is into
        assert together.shape == (5, 100, 100, 3) and np.array_equal(into, together[order])
        for patch, (x, y) in zip(together, coords, strict=True):
            level0 = slide.read(x, y, 0, grid.read_width, grid.read_height).astype(float)
            assert np.array_equal(read_patches(slide, grid, np.array([[x, y]]))[0], patch)
            assert np.abs(level0.mean(axis=(0, 1)) - patch.mean(axis=(0, 1))).max() < 1


def test_both_readers_give_the_same_patches(tmp_path: Path) -> None:
    write_aperio(tmp_path / "a.svs", PIXELS, 0.2525)
    with open_slide(tmp_path / "a.svs") as fast, open_slide(tmp_path / "a.svs", tiles=False) as slow:
        grid = plan_grid(fast, 128, 0.5)
        assert grid.read_width == 256
        coords = np.array([[0, 0], [256, 256], [511, 33], [944, 944]])
        assert np.array_equal(read_patches(fast, grid, coords), read_patches(slow, grid, coords))
