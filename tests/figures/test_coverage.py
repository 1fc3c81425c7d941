from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oceanpath.figures.coverage import COLOURS, coverage_map, draw_coverage, draw_montage, draw_summary


def test_every_patch_has_its_square_and_colour() -> None:
    coords = np.array([[0, 0], [512, 0], [0, 512], [1536, 1024]], np.int32) + 7000
    kept = np.array([True, False, True, False])
    shown = coverage_map("s", coords, kept)
    picture = shown.picture
    assert (shown.kept, shown.total, shown.percent, shown.pixel) == (2, 4, 50.0, 8.0)
    side = 256 // 4
    assert picture.shape == (3 * side, 4 * side, 3)
    small = picture[::side, ::side]
    expected = np.array([[2, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    assert np.array_equal(small, COLOURS[expected])


@pytest.mark.parametrize("coords", [[[5, 5]], [[5, 5], [5, 5]], [[-(2**31), 0], [2**31 - 1, 9]]])
def test_unusual_coordinates_are_drawn(coords: list[list[int]]) -> None:
    picture = coverage_map("s", np.array(coords, np.int32), np.ones(len(coords), bool)).picture
    assert max(picture.shape) <= 2048 + 256
    assert (picture == COLOURS[2]).all(axis=2).any()


def test_images_are_deterministic(tmp_path: Path) -> None:
    shown = coverage_map("s" * 40, np.array([[0, 0], [256, 256]], np.int32), np.array([True, False]), 0.5)
    for name in ("a", "b"):
        draw_coverage(tmp_path / f"{name}_map.png", shown)
        draw_montage(tmp_path / f"{name}_montage.png", [shown] * 7)
        draw_summary(tmp_path / f"{name}_summary.png", np.array([10.0, 100.0]))
    for kind in ("map", "montage", "summary"):
        assert (tmp_path / f"a_{kind}.png").read_bytes() == (tmp_path / f"b_{kind}.png").read_bytes()
    drawn = np.asarray(Image.open(tmp_path / "a_map.png").convert("RGB")).reshape(-1, 3)
    for colour in COLOURS[1:]:
        assert (drawn == colour).all(axis=1).sum() > 1000
