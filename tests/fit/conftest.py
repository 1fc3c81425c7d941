from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.objectives.classification import ClassificationObjective
from oceanpath.fit.objectives.losses import build_loss
from oceanpath.tasks.classification import Classification


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    """Twelve slides of 3 to 14 patches; the first feature of the odd ones is larger."""
    random = np.random.default_rng(0)
    bags = {f"slide_{i:02d}": random.normal(size=(3 + i, 6)) for i in range(12)}
    for i, name in enumerate(bags):
        bags[name][:, 0] += 3.0 * (i % 2)
    return make_store(bags, coords=True)


@pytest.fixture
def objective() -> ClassificationObjective:
    return ClassificationObjective(Classification(["a", "b", "c"]), build_loss("ce"))
