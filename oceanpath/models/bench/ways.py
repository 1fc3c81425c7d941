"""One training step of one batch, padded and packed: the same model, the same bags, the same loss.

padded       float32, bags side by side with a mask, as most published code trains. An architecture that takes padding
             away before it computes (`unpads`) gets the padded rows as if they were real, which is what its published
             form does
packed       float32, real rows only, matrix products through oneDNN where that is exact here
packed_bf16  the same under bfloat16 autocast
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.models.bench.clock import Work, peak_bytes, ratio, round_robin
from oceanpath.models.float32 import fast_float32

SIGMA = 0.8
"""Spread of log N, as in cohorts of resections."""


def log_normal_batch(bags: int, middle: int, dim: int) -> Batch:
    """Bags whose lengths are log-normal with median `middle` and whose padding is the usual one of such batches.

    Of 200 draws it is the one whose padding factor lies closest to the mean of all; features are standard normal.
    """
    draws = [_lengths(bags, middle, seed) for seed in range(200)]
    factors = [len(lengths) * lengths.max() / lengths.sum() for lengths in draws]
    chosen = draws[int(np.argmin(np.abs(np.array(factors) - np.mean(factors))))]
    offsets = torch.tensor([0, *chosen.tolist()]).cumsum(0)
    features = torch.randn(int(offsets[-1]), dim, generator=torch.Generator().manual_seed(0))
    return Batch(features, offsets, labels=torch.arange(bags) % 2)


def compare(model: BaseMIL, batch: Batch, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds, speed-up, peak bytes and largest difference of the embedding for every way of one training step."""
    model = copy.deepcopy(model).to(device).train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # all ways must do the same arithmetic
    batch = batch.to(device)
    works = {name: _step(model, batch, forward, context) for name, (forward, context) in _ways(model, device).items()}
    with torch.no_grad():
        plain, _ = model.forward_features(*batch.padded())
        with fast_float32(device):
            packed = {"packed": model.forward_packed(batch)[0]}
        with torch.autocast(device.type, torch.bfloat16):
            packed["packed_bf16"] = model.forward_packed(batch)[0]
    times = round_robin(works, rounds, device)
    bytes_ = {name: peak_bytes(work, device) for name, work in works.items()}
    base = bytes_["padded"]
    rows: dict[str, Any] = {}
    for name, spent in times.items():
        held = bytes_[name]
        apart = float((packed[name].float() - plain).abs().max()) if name in packed else 0.0
        rows[name] = {
            "seconds": median(spent),
            "faster": ratio(times["padded"], spent),
            "peak_bytes": held,
            "memory_share": None if not base or held is None else held / base,
            "difference": apart,
        }
    return rows


def _ways(model: BaseMIL, device: torch.device) -> dict[str, tuple[Callable[[Batch], Tensor], Callable[[], Any]]]:
    def padded(batch: Batch) -> Tensor:
        h, mask, _ = batch.padded()
        return model.forward_features(h, None if model.unpads else mask)[0]

    def packed(batch: Batch) -> Tensor:
        return model.forward_packed(batch)[0]

    def half() -> AbstractContextManager[Any]:
        return torch.autocast(device.type, torch.bfloat16)

    return {
        "padded": (padded, nullcontext),
        "packed": (packed, lambda: fast_float32(device)),
        "packed_bf16": (packed, half),
    }


def _step(
    model: BaseMIL, batch: Batch, forward: Callable[[Batch], Tensor], context: Callable[[], AbstractContextManager[Any]]
) -> Work:
    torch.manual_seed(0)
    head = nn.Linear(model.embed_dim, 2).to(batch.features.device)
    labels = batch.labels
    assert labels is not None, "log_normal_batch gives labels"

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with context():
            loss = cross_entropy(head(forward(batch)).float(), labels)
            loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch

    return step


def _lengths(bags: int, middle: int, seed: int) -> Any:
    drawn = np.exp(np.random.default_rng(seed).normal(np.log(middle), SIGMA, bags))
    return np.clip(drawn, max(1, middle // 60), 20 * middle).astype(int)
