"""The image of patch scores: which patch a pixel shows, and what lower levels have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oceanpath.artifacts.patch_scores import PatchScores
from oceanpath.artifacts.score_images.raster import SlidePlane, image_of
from oceanpath.errors import ArtifactError

from .images import MPP, SIZE, centres, image, patches


def test_every_pixel_has_the_score_of_the_patch_that_contains_its_centre() -> None:
    what, drawn = patches(), image()
    assert (drawn.downsample, drawn.names) == (8, ("attention", "contribution"))
    assert drawn.values.dtype == np.float32 and drawn.values.shape == (2, 563, 1126)
    y, x = (np.arange(length) * 8 + 4.0 for length in drawn.values.shape[1:])
    expected = np.full(drawn.values.shape, np.nan, np.float32)
    width, height = what.footprint
    for number, (left, top) in enumerate(what.coords.tolist()):
        inside = ((y >= top) & (y < top + height))[:, None] & ((x >= left) & (x < left + width))
        for channel, scores in enumerate(what.scores.values()):
            expected[channel, inside] = scores[number]
    assert np.isfinite(expected[0]).sum() > 40 * 8 * 8
    assert np.array_equal(drawn.values, expected, equal_nan=True)
    rows, columns = centres(what, 8)
    assert np.array_equal(drawn.values[1, rows, columns], what.scores["contribution"].astype(np.float32))


def test_pixels_have_the_size_of_the_slide_in_micrometres() -> None:
    width, height = image().pixel_um
    assert (width, height) == pytest.approx((8 * MPP[0], 8 * MPP[1]))
    rows, columns = image().values.shape[1:]
    assert columns * width == pytest.approx(SIZE[0] * MPP[0], abs=width)
    assert rows * height == pytest.approx(SIZE[1] * MPP[1], abs=height)


def test_overlapping_patches_have_their_mean_and_other_places_nan_instead_of_zero() -> None:
    scores = {"attention": np.array([0.0, 1.0], np.float32)}
    two = PatchScores("s", np.array([[0, 0], [32, 0]]), (64.0, 64.0), scores)
    (drawn,) = image_of(two, SlidePlane((0.5, 0.5))).values
    assert drawn.shape == (8, 12)
    assert (drawn[:, :4] == 0).all() and (drawn[:, 4:8] == 0.5).all() and (drawn[:, 8:] == 1).all()
    apart = image_of(replace(two, coords=np.array([[0, 0], [80, 0]])), SlidePlane((0.5, 0.5))).values[0]
    assert np.isnan(apart[:, 8:10]).all() and np.isfinite(apart[:, :8]).all() and np.isfinite(apart[:, 10:]).all()


def test_lower_levels_have_the_means_of_the_pixels_that_have_a_score() -> None:
    drawn = image()
    levels = drawn.lower_levels()
    assert [level.shape for level in levels] == [(2, 282, 563), (2, 141, 282), (2, 71, 141)]
    for row, column in ((40, 80), (85, 150), (281, 562)):
        square = drawn.values[0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        found = square[np.isfinite(square)]
        assert np.isnan(levels[0][0, row, column]) if not len(found) else levels[0][0, row, column] == found.mean()
    total = np.nansum(drawn.values[0]) / np.isfinite(drawn.values[0]).sum()
    assert np.nanmean(levels[0][0]) == pytest.approx(total, rel=0.05)


def test_small_patches_and_an_empty_slide_have_an_image() -> None:
    small = PatchScores("s", np.array([[3, 2]]), (1.5, 1.5), {"attention": np.ones(1)})
    assert image_of(small, SlidePlane((1.0, 1.0), (6, 5))).values[0].tolist()[2][3] == 1
    none = PatchScores("s", np.zeros((0, 2), np.int32), (64.0, 64.0), {"attention": np.zeros(0)})
    assert np.isnan(image_of(none, SlidePlane((1.0, 1.0), (640, 64))).values).all()


@pytest.mark.parametrize("corner", [(-1, 0), (0, 4503), (9001, 0)])
def test_a_patch_outside_of_the_slide_is_refused(corner: tuple[int, int]) -> None:
    outside = PatchScores("s", np.array([corner]), (64.0, 64.0), {"attention": np.ones(1)})
    with pytest.raises(ArtifactError, match="s: a patch is outside of the slide; expected 9001 x 4503 pixels"):
        image_of(outside, SlidePlane(MPP, SIZE))
