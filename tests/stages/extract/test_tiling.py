"""Patches on the slide: by our geometry or by TRIDENT's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.artifacts.features.files import read_features, read_meta, scan_features
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide
from oceanpath.stages.extract.cohort import parts
from oceanpath.stages.extract.tiling import tile_slide
from oceanpath.stages.extract.work import run_part

from .test_work import draw_slide, outline, settings


class Notes(Quiet):
    """Records the notes for the user."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_patches_are_those_of_trident(tmp_path: Path) -> None:
    """0.31 µm is 20x to TRIDENT, so a patch is 256 px; by the slide's own mpp it would be 413."""
    slide, notes = draw_slide(tmp_path / "slides/c.svs", 4, mpp=0.31, side=608), Notes()
    outline(tmp_path / "roi", "c", (300, 300, 608, 608))
    keys = settings(slide.parent, geometry="trident", magnification=20, min_tissue=0, tissue=tmp_path / "roi")
    part = parts(keys, Inputs())[0]
    run_part(keys, Inputs(), part, tmp_path, notes)
    features, coords = read_features(scan_features(tmp_path / "c.h5"))
    assert coords is not None and coords.tolist() == [[256, 256], [256, 512], [512, 256], [512, 512]]
    assert (read_meta(tmp_path / "c.h5").patch_px_level0, len(features)) == (256, 4)
    assert notes.said == ["TRIDENT extracted patches at 0.31 µm per pixel instead of 0.5"]
    with open_slide(slide) as reader:
        last = read_patches(reader, tile_slide(reader, keys, "c").grid, coords[3:])[0]
    assert (last[96:] == 255).all() and (last[:, 96:] == 255).all() and np.any(last[:96, :96] < 255)
    assert parts(keys.model_copy(update={"geometry": "mpp"}), Inputs())[0].identity != part.identity
