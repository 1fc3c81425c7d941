"""Tissue is what differs from the glass, whatever the glass looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.slides.reader import open_slide
from oceanpath.slides.tissue import find_tissue, tissue_mask

PIXEL_MM2 = 64e-6
REAL = Path(__file__).resolve().parents[2] / "../shared/data/slides_real"


def view(glass: tuple[int, int, int], noise: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.array(glass) + rng.normal(0, noise, (160, 200, 1)), 0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=40)
@given(
    value=st.integers(120, 254),
    tint=st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(-20, 20)),
    noise=st.floats(0, 1.5),
)
def test_an_empty_slide_of_any_grey_or_tint_has_no_tissue(value: int, tint: tuple[int, ...], noise: float) -> None:
    red, green, blue = (int(np.clip(value + t, 0, 255)) for t in tint)
    assert tissue_mask(view((red, green, blue), noise), PIXEL_MM2)[0].sum() == 0


@pytest.mark.parametrize("glass", [(244, 243, 245), (225, 225, 225), (240, 225, 232)])
def test_a_square_of_tissue_is_found_exactly(glass: tuple[int, int, int]) -> None:
    pixels = view(glass)
    rng = np.random.default_rng(1)
    pixels[40:110, 50:150] = np.clip(np.array((190, 110, 170)) + rng.normal(0, 12, (70, 100, 1)), 0, 255)
    wanted = np.zeros(pixels.shape[:2], bool)
    wanted[40:110, 50:150] = True
    assert np.array_equal(tissue_mask(pixels, PIXEL_MM2)[0], wanted)


def test_a_view_full_of_tissue_is_full() -> None:
    rng = np.random.default_rng(2)
    pixels = np.clip(np.array((190, 110, 170)) + rng.normal(0, 18, (160, 200, 3)), 0, 255).astype(np.uint8)
    assert tissue_mask(pixels, PIXEL_MM2)[0].mean() > 0.99


def test_specks_black_edges_and_pinholes() -> None:
    pixels = view((244, 243, 245))
    rng = np.random.default_rng(3)
    pixels[40:110, 50:150] = np.clip(np.array((190, 110, 170)) + rng.normal(0, 12, (70, 100, 1)), 0, 255)
    pixels[70:75, 90:95] = (244, 243, 245)  # a hole of 0.0016 mm²
    pixels[5:9, 5:9] = (150, 60, 120)  # dust of 0.001 mm²
    pixels[:, 190:] = 5  # the frame of the slide
    mask, _ = tissue_mask(pixels, PIXEL_MM2)
    assert mask[40:110, 50:150].all() and mask.sum() == 7000


def test_mask_edges_are_the_edges_of_the_slide(square_slide: Callable[..., Path]) -> None:
    with open_slide(square_slide(1024, (256, 512, 768, 768))) as slide:
        tissue = find_tissue(slide, 128.0)
    assert tissue.mask.shape == (64, 64) and (tissue.scale_x, tissue.scale_y) == (16, 16)
    rows, columns = np.nonzero(tissue.mask)
    found = np.array([rows.min(), rows.max() + 1, columns.min(), columns.max() + 1])
    assert np.abs(found - (32, 48, 16, 48)).max() <= 1  # JPEG smears colour over its neighbour
    assert tissue.share == pytest.approx(0.125, rel=0.2)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
def test_real_tissue_and_real_glass() -> None:
    with open_slide(REAL / "CMU-1-Small-Region.svs") as slide:
        assert 0.3 < find_tissue(slide, 128.0).share < 0.5
