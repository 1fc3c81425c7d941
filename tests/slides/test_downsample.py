"""A block's mean is its mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oceanpath.slides.downsample import LARGEST_FACTOR, BlockMeans, block_means


@given(factor=st.integers(2, LARGEST_FACTOR), w=st.integers(1, 9), h=st.integers(1, 9), seed=st.integers(0, 99))
def test_means_are_rounded_half_up(factor: int, w: int, h: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (h * factor, w * factor, 3)).astype(np.uint8)
    out = np.empty((h, w, 3), np.uint8)
    BlockMeans(w, h, factor)(pixels, out)
    exact = pixels.reshape(h, factor, w, factor, 3).astype(np.int64).sum(axis=(1, 3))
    assert np.array_equal(out, (exact + factor * factor // 2) // factor**2)


@pytest.mark.parametrize("factor", [1, LARGEST_FACTOR])
def test_white_stays_white(factor: int) -> None:
    white = np.full((factor * 2, factor * 3, 3), 255, np.uint8)
    assert [(image == 255).all() for image in block_means(iter([white, white]), factor * 3, factor * 2, factor)] == [
        1,
        1,
    ]
