"""Small slides with known contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oceanpath.slides.demo.aperio import write_aperio

GLASS = (243, 242, 244)
TISSUE = (200, 90, 170)


@pytest.fixture
def square_slide(tmp_path: Path) -> Callable[..., Path]:
    """`make(side, box, mpp)`: glass with one square of noisy tissue; `box` is left, top, right, bottom."""

    def make(side: int = 1024, box: tuple[int, int, int, int] = (256, 256, 768, 768), mpp: float = 0.5) -> Path:
        pixels = np.full((side, side, 3), GLASS, np.uint8)
        left, top, right, bottom = box
        noise = np.random.default_rng(0).integers(-40, 40, (bottom - top, right - left, 1))
        pixels[top:bottom, left:right] = np.clip(np.array(TISSUE) + noise, 0, 255)
        path = tmp_path / f"square-{side}-{mpp}.svs"
        write_aperio(path, pixels, mpp)
        return path

    return make
