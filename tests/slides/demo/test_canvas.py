"""The regions of a plan are visible at their coordinates."""

from __future__ import annotations

import dataclasses

import pytest

from oceanpath.slides.demo.canvas import draw_slide
from oceanpath.slides.demo.plan import Spot
from oceanpath.slides.demo.texture import Texture

from .conftest import plan


@pytest.mark.parametrize("kind", ["tumour", "lymphocytes", "reactive", "bleached", "fold"])
def test_planned_regions_are_visible(textures: dict[str, Texture], kind: str) -> None:
    base = plan()
    planted = dataclasses.replace(base, spots=(Spot(kind, 560, 480, 160),))
    tissue = draw_slide(base, textures).min(axis=2) < 235
    assert 0.2 < tissue.mean() < 0.75
    blank, seen = (draw_slide(p, {**textures}) for p in (base, planted))
    middle = (slice(430, 530), slice(510, 610))
    dark = (255 - seen[middle].astype(float)).mean() - (255 - blank[middle].astype(float)).mean()
    assert dark < -10 if kind == "bleached" else abs(dark) > 3
