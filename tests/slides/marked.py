"""A slide with one dark rectangle at a known place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.slides.demo.aperio import write_aperio

TISSUE, MARK = (236, 200, 222), (20, 40, 160)


def write_marked(path: Path, size: tuple[int, int], mark: tuple[int, int, int, int], mpp: float = 0.5) -> Path:
    """A slide of `size` (width, height) whose rectangle `mark` (left, top, right, bottom) is dark; level-0 pixels."""
    pixels = np.full((size[1], size[0], 3), TISSUE, np.uint8)
    left, top, right, bottom = mark
    pixels[top:bottom, left:right] = MARK
    write_aperio(path, pixels, mpp)
    return path


def edges_of(rgb: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the mark in pixels of a picture, exact within a fraction of a pixel.

    The share of each pixel that is dark is known from its brightness, so edges inside pixels are found too.
    """
    light, dark = np.mean(TISSUE), np.mean(MARK)
    share = np.clip((light - rgb.mean(axis=2)) / (light - dark), 0, 1)
    across, down = share.max(axis=0), share.max(axis=1)
    (left, right), (top, bottom) = _span(across), _span(down)
    return left, top, right, bottom


def _span(shares: NDArray[np.float64]) -> tuple[float, float]:
    inside = np.flatnonzero(shares > 0.5)
    first, last = int(inside[0]), int(inside[-1])
    before = shares[first - 1] if first else 0.0
    after = shares[last + 1] if last + 1 < len(shares) else 0.0
    return first - before + (1 - shares[first]), last + 1 + after - (1 - shares[last])
