"""Aperio files have levels, an objective power and no dates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.slides.demo.aperio import write_aperio


def test_aperio_files_have_levels_a_power_and_no_dates(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (700, 900, 3)).astype(np.uint8)
    write_aperio(tmp_path / "a.svs", pixels, 0.25)
    import openslide

    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        properties = slide.properties
        assert (properties["openslide.vendor"], properties["openslide.objective-power"]) == ("aperio", "40")
        assert slide.level_dimensions == ((900, 700), (225, 175), (57, 44))
        assert "tiff.DateTime" not in properties and "tiff.Software" not in properties
