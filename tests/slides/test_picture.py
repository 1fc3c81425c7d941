"""A picture shows the rectangle that was asked for, at any size and from any level."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oceanpath.slides import picture
from oceanpath.slides.picture import Box, TooManyPixelsError, encode_jpeg, read_picture
from oceanpath.slides.reader import open_slide

from .marked import TISSUE, edges_of, write_marked

SIZE, SQUARE = (2304, 1792), (800, 640, 1312, 1152)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marked(tmp_path_factory.mktemp("picture") / "s.svs", SIZE, SQUARE)


@pytest.mark.parametrize("scale", [1, 1.7, 3, 4, 6.4, 16, 23])
@pytest.mark.parametrize("corner", [(500, 400), (503.3, 401.9)])
def test_the_mark_is_where_the_geometry_says(slide: Path, scale: float, corner: tuple[float, float]) -> None:
    width, height = round(1100 / scale), round(1000 / scale)
    box = Box(*corner, width * scale, height * scale)
    with open_slide(slide) as reader:
        found = edges_of(read_picture(reader, box, width, height))
    wanted = [(at - corner[k % 2]) / scale for k, at in enumerate(SQUARE)]
    assert found == pytest.approx(wanted, abs=0.3)


def test_a_mark_at_another_place_would_be_noticed(slide: Path) -> None:
    """The measurement above sees a shift of one level-0 pixel."""
    with open_slide(slide) as reader:
        one, other = (edges_of(read_picture(reader, Box(500 + dx, 400, 1100, 1000), 275, 250)) for dx in (0, 4))
    assert np.subtract(one, other) == pytest.approx([1, 0, 1, 0], abs=0.05)


def test_pixels_outside_the_slide_are_white(slide: Path) -> None:
    with open_slide(slide) as reader:
        rgb = read_picture(reader, Box(SIZE[0] - 64, SIZE[1] - 64, 128, 128), 64, 64)
    assert rgb.shape == (64, 64, 3) and (rgb[34:] == 255).all() and (rgb[:, 34:] == 255).all()
    assert np.abs(rgb[:30, :30].astype(int) - TISSUE).max() < 6


def test_a_coarse_level_is_read_and_a_limit_holds(slide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MOST_PIXELS", 150 * 120)
    with open_slide(slide) as reader:
        read_picture(reader, Box(0, 0, *SIZE), 144, 112)  # of the level with a 16th of the pixels
        with pytest.raises(TooManyPixelsError, match=r"at most 18000, got 576 x 448 of level 1"):
            read_picture(reader, Box(0, 0, *SIZE), 288, 224)


def test_a_jpeg_has_the_pixels(slide: Path) -> None:
    with open_slide(slide) as reader:
        rgb = read_picture(reader, Box(700, 500, 256, 256), 128, 128)
    decoded = np.asarray(Image.open(io.BytesIO(encode_jpeg(rgb))))
    assert np.abs(decoded.astype(int) - rgb).mean() < 3
