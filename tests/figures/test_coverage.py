from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oceanpath.figures.coverage import COLOURS, Map, coverage_picture, draw_coverage, draw_montage, draw_summary


def test_every_patch_has_its_square_and_colour() -> None:
    coords = np.array([[0, 0], [512, 0], [0, 512], [1536, 1024]], np.int32) + 7000
    kept = np.array([True, False, True, False])
    picture = coverage_picture(coords, kept)
    side = 256 // 4
    assert picture.shape == (3 * side, 4 * side, 3)
    small = picture[::side, ::side]
    wanted = np.array([[2, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    assert np.array_equal(small, COLOURS[wanted])


@pytest.mark.parametrize("coords", [[[5, 5]], [[5, 5], [5, 5]], [[-(2**31), 0], [2**31 - 1, 9]]])
def test_odd_places_still_make_a_picture(coords: list[list[int]]) -> None:
    picture = coverage_picture(np.array(coords, np.int32), np.ones(len(coords), bool))
    assert max(picture.shape) <= 2048 + 256
    assert (picture == COLOURS[2]).all(axis=2).any()


def test_pictures_are_written_the_same_twice(tmp_path: Path) -> None:
    picture = coverage_picture(np.array([[0, 0], [256, 256]], np.int32), np.array([True, False]))
    for name in ("a", "b"):
        draw_coverage(tmp_path / f"{name}_map.png", picture)
        draw_montage(tmp_path / f"{name}_montage.png", [Map("s" * 40, 50.0, picture)] * 7)
        draw_summary(tmp_path / f"{name}_summary.png", np.array([10.0, 100.0]))
    for kind in ("map", "montage", "summary"):
        assert (tmp_path / f"a_{kind}.png").read_bytes() == (tmp_path / f"b_{kind}.png").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a_map.png").convert("RGB")), picture)
