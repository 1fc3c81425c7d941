"""Slides on disk: equal bytes for equal plans, the same field for every scanner."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.slides.demo.cohort import write_slide
from oceanpath.slides.demo.plan import Spot
from oceanpath.slides.demo.texture import Texture
from oceanpath.slides.reader import open_slide

from .conftest import plan


def test_equal_plans_give_equal_files(tmp_path: Path, textures: dict[str, Texture]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    spots = (Spot("fold", 500, 500, 300), Spot("bleached", 400, 600, 200), Spot("tumour", 512, 512, 150))
    first, second = (write_slide(plan(*spots), textures, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_finer_scanner_sees_the_same_field(tmp_path: Path, textures: dict[str, Texture]) -> None:
    for mpp in (0.5, 0.25):
        (tmp_path / str(mpp)).mkdir()
        path = write_slide(plan(mpp=mpp), textures, tmp_path / str(mpp))
        with open_slide(path) as slide:
            assert (slide.mpp.x, slide.width) == (mpp, round(1024 * 0.5 / mpp))
    views = []
    for mpp in (0.5, 0.25):
        with open_slide(tmp_path / str(mpp) / "OP-1-A.svs") as slide:
            views.append(slide.overview(128, 128).astype(float))
    assert np.abs(views[0] - views[1]).mean() < 4
    assert np.corrcoef(views[0].ravel(), views[1].ravel())[0, 1] > 0.99
