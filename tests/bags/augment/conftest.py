from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oceanpath.bags.augment.bag import SourceBag


def tissue(n: int, seed: int = 0, step: int = 256) -> np.ndarray:
    """n patches on a grid in an irregular shape, as on a slide."""
    random = np.random.default_rng(seed)
    side = int(np.sqrt(n) * 1.6) + 4
    y, x = np.mgrid[:side, :side]
    waves = random.uniform(0.02, 0.3, (6, 2))
    height = sum(np.sin(x * a + 1) * np.sin(y * b + 2) for a, b in waves)
    chosen = np.sort(np.argsort(-height.ravel(), kind="stable")[:n])
    return (np.stack([chosen % side, chosen // side], axis=1) * step + 1000).astype(np.int32)


@pytest.fixture
def bag_of() -> Callable[..., SourceBag]:
    """``bag_of(n, coords=True)``: a slide of n patches 256 pixels apart, with 16 features."""

    def make(n: int, coords: bool = True, slide_id: str = "slide") -> SourceBag:
        return SourceBag(slide_id, n, 16, tissue(n) if coords else None, 256 if coords else 1)

    return make
