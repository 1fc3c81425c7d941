"""Methods without what prevents their collapse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.ssl import heads
from oceanpath.ssl.losses.byol import normalised_distance
from oceanpath.ssl.methods import byol, jepa, simclr
from oceanpath.ssl.methods.base import embed
from oceanpath.stages.pretrain.training import Training

from .conftest import Build


def _simclr(build: Build, patch: pytest.MonkeyPatch, keys: dict[str, object]) -> Training:
    """Without negatives only the attraction of two views is left."""

    def attraction(a: Tensor, b: Tensor, *_: object) -> Tensor:
        return (normalised_distance(a, b) + normalised_distance(b, a)) / 2

    patch.setattr(simclr, "nt_xent", attraction)
    return build("simclr", **keys)


def _byol(build: Build, patch: pytest.MonkeyPatch, keys: dict[str, object]) -> Training:
    """Without predictor and teacher; and without the statistics of the batch, which prevent collapse on their own."""

    def by_row(width: int, hidden: int, out: int, layers: int, *, by_batch: bool) -> nn.Sequential:
        return heads.perceptron(width, hidden, out, layers)

    patch.setattr(byol, "perceptron", by_row)
    training = build("byol", method={"ema": 0.0}, **keys)
    training.method.predictor = nn.Identity()
    return training


def _jepa(build: Build, patch: pytest.MonkeyPatch, keys: dict[str, object]) -> Training:
    """Gradients through the targets, and a teacher that is the student.

    `ema = 0` alone is not enough: the momentum rises to 1, and no gradient passes through the teacher.
    """
    patch.setattr(jepa, "momentum_at", lambda *_: 0.0)
    training = build("jepa", **keys)
    method = training.method

    def targets(blocks: Sequence[Batch]) -> Tensor:
        return torch.stack([embed(method.aggregator, block) for block in blocks])

    patch.setattr(method, "targets", targets)
    return training


def _by_settings(name: str, **method: object) -> Callable[..., Training]:
    return lambda build, _, keys: build(name, method=method, **keys)


PLANTED: dict[str, Callable[[Build, pytest.MonkeyPatch, dict[str, object]], Training]] = {
    "vicreg": _by_settings("vicreg", variance_weight=0.0),
    "simclr": _simclr,
    "byol": _byol,
    "dino without centring": _by_settings("dino", centre_momentum=1.0, ema=0.9),
    "dino with temperature 1": _by_settings("dino", teacher_temperature=1.0, first_temperature=1.0, ema=0.9),
    "jepa": _jepa,
    "lejepa": _by_settings("lejepa", weight=0.0),
    "visreg": _by_settings("visreg", weight=0.0),
}
"""Name → a training that collapses."""
