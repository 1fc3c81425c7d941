"""Losses of lightly for fixed inputs: ``python -m tests.ssl.losses.lightly_values FOLDER`` prints them as JSON.

FOLDER has lightly, installed with ``pip install --no-deps --target FOLDER lightly==VERSION``. Its modules of losses are
loaded on their own, because the package imports what the losses do not need.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oceanpath.torchvision_import import import_torchvision

TEMPERATURE, SHARP = 0.2, 0.04


def inputs() -> dict[str, torch.Tensor]:
    """Two views, and the scores of a student (4 views) and a teacher (2 views); no random generator is involved."""

    def waves(*shape: int, step: float) -> torch.Tensor:
        count = int(np.prod(shape))
        return torch.from_numpy(np.sin(step * np.arange(1, count + 1) ** 1.5).reshape(shape))

    views = {"a": waves(7, 5, step=0.7), "b": waves(7, 5, step=1.3)}
    return {**views, "student": waves(4, 7, 6, step=0.9), "teacher": waves(2, 7, 6, step=0.4)}


def load(folder: Path, name: str) -> Any:
    """A module of lightly without its package's own imports."""
    for package in ("lightly", "lightly.loss", "lightly.utils", "lightly.models", "lightly.models.modules"):
        if package not in sys.modules:
            module = types.ModuleType(package)
            module.__path__ = [str(folder / package.replace(".", "/"))]
            sys.modules[package] = module
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.loader is not None, name
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


def values(folder: Path) -> dict[str, float]:
    """Name of a loss → its value."""
    import_torchvision()
    vicreg = load(folder, "lightly.loss.vicreg_loss")
    cosine = load(folder, "lightly.loss.negative_cosine_similarity").NegativeCosineSimilarity()
    nt_xent = load(folder, "lightly.loss.ntx_ent_loss").NTXentLoss(temperature=TEMPERATURE)
    x = inputs()
    scores = x["student"].shape[-1]
    dino = load(folder, "lightly.loss.dino_loss").DINOLoss(
        output_dim=scores, warmup_teacher_temp=SHARP, teacher_temp=SHARP, student_temp=0.1
    )
    results = {
        "vicreg invariance": vicreg.invariance_loss(x["a"], x["b"]),
        "vicreg variance": vicreg.variance_loss(x["a"], eps=1e-4),
        "vicreg covariance": vicreg.covariance_loss(x["a"]),
        "nt_xent": nt_xent(x["a"], x["b"]),
        "byol": 2 + 2 * cosine(x["a"], x["b"]),
        "dino": dino(list(x["teacher"]), list(x["student"]), epoch=0),
    }
    return {name: float(value) for name, value in results.items()}


if __name__ == "__main__":
    print(json.dumps(values(Path(sys.argv[1])), indent=1))
