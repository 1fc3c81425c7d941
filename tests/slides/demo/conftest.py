"""Textures and a small plan of a slide."""

from __future__ import annotations

import pytest

from oceanpath.slides.demo.plan import SlidePlan, Spot
from oceanpath.slides.demo.texture import Texture, build_textures


@pytest.fixture(scope="module")
def textures() -> dict[str, Texture]:
    return build_textures(5)


def plan(*spots: Spot, side: int = 1024, mpp: float = 0.5) -> SlidePlan:
    return SlidePlan("OP-1-A", "OP-1", "tumour", "Harbour", mpp, 60, "female", side, spots, (5, 3, 1, 0))
