"""Textures are periodic and deterministic."""

from __future__ import annotations

import numpy as np

from oceanpath.slides.demo.texture import SIDE, Texture, build_textures


def test_textures_are_periodic_and_deterministic(textures: dict[str, Texture]) -> None:
    assert set(textures) == {"stroma", "mucosa", "reactive", "lymphocytes", "tumour"}
    again = build_textures(5)
    for name, texture in textures.items():
        assert np.array_equal(texture.haematoxylin, again[name].haematoxylin)
        for stain in (texture.haematoxylin, texture.eosin):
            assert stain.shape == (SIDE, SIDE)
            steps = np.abs(np.diff(stain.astype(int), axis=0)).mean()
            seam = np.abs(stain[0].astype(int) - stain[-1]).mean()
            assert seam < 2 * steps + 1, name
    assert textures["tumour"].haematoxylin.mean() > 2 * textures["mucosa"].haematoxylin.mean()
