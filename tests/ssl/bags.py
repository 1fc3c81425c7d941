"""Bags with a known structure, as views."""

from __future__ import annotations

import torch

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ABMILSettings
from oceanpath.ssl.methods.base import Method, StepContext
from oceanpath.ssl.methods.registry import build_method, parse_method

DIM = 12
SMALL = {
    "vicreg": {"hidden": 32, "out": 16},
    "simclr": {"hidden": 32, "out": 16},
    "byol": {"hidden": 32, "out": 16},
    "dino": {"hidden": 32, "out": 16, "prototypes": 32, "local_views": 2},
    "jepa": {"hidden": 32, "blocks": 2},
    "lejepa": {"hidden": 32, "out": 8, "directions": 64},
    "visreg": {"hidden": 32, "out": 8, "directions": 64},
    "supervised": {},
}
"""Method → widths that train in milliseconds."""


def small_aggregator(seed: int = 0, dropout: float = 0.1) -> BaseMIL:
    torch.manual_seed(seed)
    return build_aggregator(ABMILSettings(hidden=16, attention=8, dropout=dropout), DIM)


def small_method(name: str, seed: int = 0, **keys: object) -> Method:
    aggregator = small_aggregator(seed)
    return build_method(parse_method({"name": name, **SMALL[name], **keys}), aggregator, classes=2)


def bags(count: int, seed: int, lengths: int = 6, coords: bool = True) -> Batch:
    """`count` bags; the mean of bag i depends on i alone, the patches on the seed."""
    means = torch.randn(count, 1, DIM, generator=torch.Generator().manual_seed(99))
    random = torch.Generator().manual_seed(seed)
    features = (means + 0.5 * torch.randn(count, lengths, DIM, generator=random)).flatten(0, 1)
    places = torch.randint(0, 10_000, (count * lengths, 2), generator=random, dtype=torch.int32)
    labels = torch.arange(count) % 2
    return Batch(features, torch.arange(count + 1) * lengths, places if coords else None, labels)


def views_of(method: Method, seed: int, count: int = 8, **keys: object) -> tuple[Batch, ...]:
    """The views that a method requests, of the same bags."""
    request = method.views
    number = request.global_views + request.local_views
    return tuple(bags(count, 1000 * seed + view, **keys) for view in range(number))  # type: ignore[arg-type]  # keys of `bags`


def train(method: Method, steps: int, count: int = 8, lr: float = 3e-3) -> list[float]:
    """Losses of a short training."""
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer, losses = torch.optim.AdamW(trained, lr=lr), []
    method.train()
    for number in range(steps):
        context = StepContext(number, steps, epoch=number // 5, seed=number, patients=torch.arange(count))
        method.begin_step(context)
        loss = method.loss(views_of(method, number, count), context).value
        optimizer.zero_grad()
        loss.backward()
        method.before_update(context)
        optimizer.step()
        method.after_update(context)
        losses.append(float(loss.detach()))
    return losses
