"""Pen is distinguished from stain by its absorption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from oceanpath.slides.colour import stain_matrix
from oceanpath.slides.ink import find_ink
from oceanpath.slides.tissue import tissue_mask

PIXEL_MM2 = 64e-6
GLASS = np.array([241.0, 240.0, 243.0])
STAINS = Path(__file__).resolve().parents[2] / "../shared/data/stain_refs"
PENS = {"green": (30, 130, 110), "blue": (55, 112, 202), "black": (25, 25, 28), "red": (195, 16, 18)}


def stained(h: float, e: float, seed: int = 0) -> np.ndarray:
    """A view of mixed haematoxylin and eosin densities up to `h` and `e`, [120, 160, 3]."""
    rng = np.random.default_rng(seed)
    amounts = rng.random((120, 160, 2)) * (h, e)
    return np.rint(GLASS * 10 ** -(amounts @ stain_matrix()[:2])).astype(np.uint8)


@settings(max_examples=25)
@given(h=st.floats(0, 1.2), e=st.floats(0, 0.9), seed=st.integers(0, 99))
def test_no_mixture_of_the_stains_is_ink(h: float, e: float, seed: int) -> None:
    assert not find_ink(stained(h, e, seed), GLASS, PIXEL_MM2).any()


@pytest.mark.parametrize("colour", PENS)
@pytest.mark.parametrize("over", ["glass", "tissue"])
def test_pen_lines_are_ink_and_their_surroundings_are_not(colour: str, over: str) -> None:
    """The density of the pen is added to that of the tissue below. Strong eosin hides blue pen."""
    view = stained(0.4, 0.2) if over == "tissue" else np.full((120, 160, 3), GLASS).astype(np.uint8)
    view[40:60] = np.rint(view[40:60] * (np.array(PENS[colour]) / GLASS))
    ink = find_ink(view, GLASS, PIXEL_MM2)
    assert ink[40:60].mean() > 0.98 and not ink[:36].any() and not ink[64:].any()


@pytest.mark.parametrize("colour", PENS)
def test_a_speck_of_ink_is_pigment(colour: str) -> None:
    view = stained(0.5, 0.5)
    view[50:60, 50:60] = PENS[colour]
    assert not find_ink(view, GLASS, PIXEL_MM2).any()


def test_ink_is_not_tissue() -> None:
    view = np.full((120, 160, 3), GLASS).astype(np.uint8)
    view[20:100, 20:140] = stained(0.5, 0.5)[20:100, 20:140]
    view[50:60] = PENS["green"]
    mask, ink = tissue_mask(view, PIXEL_MM2)
    assert not (mask & ink).any() and ink[50:60].all()
    assert not mask[:, :18].any() and mask[22:46, 22:138].mean() > 0.95 and mask[64:98, 22:138].mean() > 0.95


@pytest.mark.real
@pytest.mark.skipif(not STAINS.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    ("name", "inked", "clean"),
    [
        ("histolab_tcga-green-pen", (195, 360, 255, 600), (480, 60, 740, 600)),
        ("histolab_tcga-red-pen", (50, 170, 130, 280), (220, 90, 460, 280)),
        ("histolab_wsi-blue-pen", (155, 66, 172, 72), (0, 0, 130, 133)),
    ],
)
def test_real_pens(name: str, inked: tuple[int, ...], clean: tuple[int, ...]) -> None:
    """Boxes left, top, right, bottom that were read off the pictures."""
    with Image.open(STAINS / f"{name}.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    _, ink = tissue_mask(pixels, PIXEL_MM2)
    assert ink[inked[1] : inked[3], inked[0] : inked[2]].mean() > 0.9
    assert ink[clean[1] : clean[3], clean[0] : clean[2]].mean() < 0.01
