import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oceanpath.errors import StageError
from oceanpath.figures.heatmap import Backdrop, draw_coords, draw_heatmap, draw_sorted, rectangles, relative


@given(st.integers(100, 100_000), st.integers(100, 100_000), st.integers(16, 768), st.integers(16, 768))
@settings(deadline=None, max_examples=40)
def test_level0_corners_land_on_the_corners_of_the_thumbnail(width, height, thumb_w, thumb_h):
    backdrop = Backdrop(np.zeros((thumb_h, thumb_w, 3), np.uint8), width, height)
    assert np.array([width, height]) * backdrop.scale() == pytest.approx([thumb_w, thumb_h])


def test_a_patch_is_a_rectangle_from_its_corner():
    result = rectangles(np.array([[100, 200]], np.int32), (10.5, 20.0))
    assert result.tolist() == [[[100, 200], [110.5, 200], [110.5, 220], [100, 220]]]


@pytest.mark.parametrize("thumb", [(50, 100), (47, 100)])  # the second one was rounded along y, as thumbnails are
def test_the_bright_patch_is_at_its_coordinates(tmp_path, thumb):
    """A blue slide of 2000 x 1000 with one patch of 200 x 100 at (1400, 300) that gets all attention."""
    picture = np.zeros((*thumb, 3), np.uint8)
    picture[..., 2] = 255
    coords = np.array([[1400, 300], [0, 0]], np.int32)
    draw_heatmap(tmp_path / "a.png", coords, (200, 100), np.array([1.0, 0.0]), Backdrop(picture, 2000, 1000), "s")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = (pixels == (0, 0, 255)).all(axis=2)
    columns = np.flatnonzero(blue.any(axis=0))
    gap = np.flatnonzero(np.diff(columns) > 5)[0]
    left, right = columns[gap + 1], columns[-1] + 1
    rows = np.flatnonzero(blue[:, left:right].any(axis=1))
    top, bottom = rows[0], rows[-1] + 1
    over = pixels[top : bottom - (bottom - top) // 5, left:right]  # without the scale bar, which is outlined in white
    bright = np.argwhere((over[..., 0] > 150) & (over[..., 1] > 150))
    (y0, x0), (y1, x1) = bright.min(axis=0), bright.max(axis=0) + 1
    width, height = right - left, bottom - top
    assert np.array([x0, x1]) / width * 2000 == pytest.approx([1400, 1600], abs=2.5 * 2000 / width)
    assert np.array([y0, y1]) / height * 1000 == pytest.approx([300, 400], abs=2.5 * 1000 / height)


@pytest.mark.parametrize("footprint", [(224.0, 224.0), None])
def test_without_a_thumbnail_patches_are_drawn_at_their_coordinates(tmp_path, footprint):
    coords = np.random.default_rng(0).integers(0, 9000, (40, 2)).astype(np.int32)
    attention = np.full(40, 1 / 40, np.float32)
    for name in ("a.png", "b.png"):
        draw_coords(tmp_path / name, coords, footprint, attention, "slide")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_one_patch_is_drawn_too(tmp_path):
    one = np.ones(1, np.float32)
    draw_coords(tmp_path / "a.png", np.zeros((1, 2), np.int32), None, one, "slide")
    draw_coords(tmp_path / "b.png", np.zeros((1, 2), np.int32), (224, 224), one, "slide")
    draw_sorted(tmp_path / "c.png", one, "slide")
    assert all((tmp_path / name).stat().st_size > 2000 for name in ("a.png", "b.png", "c.png"))


def test_an_equal_share_is_one():
    assert relative(np.full(8, 1 / 8)).tolist() == [1.0] * 8


@pytest.mark.parametrize("attention", [np.empty(0), np.array([0.5, np.nan]), np.array([1.5, -0.5]), np.ones((2, 2))])
def test_invalid_attention_is_refused(tmp_path, attention):
    with pytest.raises(StageError, match="non-negative"):
        draw_sorted(tmp_path / "a.png", attention, "slide")


def test_coordinates_and_attention_must_agree(tmp_path):
    with pytest.raises(StageError, match="different numbers of patches"):
        draw_coords(tmp_path / "a.png", np.zeros((3, 2), np.int32), (1, 1), np.full(2, 0.5), "slide")
