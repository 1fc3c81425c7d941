from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def bags() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {f"slide_{i}": random.normal(size=(n, 6)) for i, n in enumerate([3, 1, 8, 5])}
