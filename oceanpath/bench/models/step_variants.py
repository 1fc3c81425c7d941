"""Variants of one training step of one batch: the same model, the same bags, the same loss.

padded       float32, padded bags with a mask, as in most published code. An architecture that removes padding before it
             computes (`requires_packed`) gets the padded rows as data, as its published form does
packed       float32, data rows only, matrix products by oneDNN where that is exact on this machine
packed_bf16  the same under bfloat16 autocast; float32 products use oneDNN too, as in training
checkpoint   as packed, intermediate results are recomputed in the backward pass
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from oceanpath.bags.batch import Batch
from oceanpath.bench.clock import Work, in_turn
from oceanpath.bench.cohort import bag_lengths
from oceanpath.bench.models.device import peak_bytes, ratio, seconds
from oceanpath.models.base import BaseMIL
from oceanpath.models.float32 import fast_float32


def _none(*args: object, **kwargs: object) -> int:  # noqa: ARG001  # the counter's signature
    return 0


NO_PRODUCTS = {torch.ops.aten.convolution: _none, torch.ops.aten.convolution_backward: _none}
"""Excluded from the count of matrix products; torch counts depthwise convolutions as full ones."""


class StepVariant(NamedTuple):
    """How embeddings are computed from a batch."""

    forward: Callable[[BaseMIL, Batch], Tensor]
    context: Callable[[], AbstractContextManager[Any]]
    limit: str = "float32"
    """Dtype of the matrix products that its speed is compared with."""
    checkpoint: bool = False


def log_normal_batch(bags: int, middle: int, dim: int) -> Batch:
    """Bags with log-normal lengths of median `middle`, and with the typical padding of such batches.

    Of 200 draws it is the one whose padding factor is closest to the mean of all; features are standard normal.
    """
    draws = [bag_lengths(bags, middle, seed) for seed in range(200)]
    factors = [len(lengths) * lengths.max() / lengths.sum() for lengths in draws]
    chosen = draws[int(np.argmin(np.abs(np.array(factors) - np.mean(factors))))]
    offsets = torch.tensor([0, *chosen.tolist()]).cumsum(0)
    features = torch.randn(int(offsets[-1]), dim, generator=torch.Generator().manual_seed(0))
    return Batch(features, offsets, labels=torch.arange(bags) % 2)


def compare(
    model: BaseMIL, batch: Batch, rounds: int, device: torch.device, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Time, memory and embeddings of all variants of one training step.

    Memory and embeddings are those of a first round, which is not timed; `limits` are `gemm_limits` of the device.

    Returns: Per variant its seconds, its speed-up over `padded`, its peak bytes, absolute and relative to `padded`, the
    largest difference of an embedding, and its speed relative to matrix products alone.
    """
    model = copy.deepcopy(model).to(device).train()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # all variants must do the same arithmetic
    batch, variants = batch.to(device), _variants(device)
    embeddings: dict[str, Tensor] = {}
    works = {
        name: _step(model, batch, variant, partial(embeddings.__setitem__, name)) for name, variant in variants.items()
    }
    bytes_ = {name: peak_bytes(work, device) for name, work in works.items()}
    counter = FlopCounterMode(display=False, custom_mapping=NO_PRODUCTS)
    with counter:
        works["packed"]()
    times = in_turn(works, rounds, partial(seconds, device=device))
    return {
        name: {
            "seconds": median(spent),
            "faster": ratio(times["padded"], spent),
            "peak_bytes": bytes_[name],
            "memory_share": _share(bytes_[name], bytes_["padded"]),
            "difference": float((embeddings[name].float() - embeddings["padded"]).abs().max()),
            "of_gemm_limit": counter.get_total_flops() / median(spent) / limits[variants[name].limit],
        }
        for name, spent in times.items()
    }


def gemm_limits(device: torch.device) -> dict[str, float]:
    """Floating-point operations per second of matrix products alone, float32 ones by oneDNN; the best of three."""
    return {name: _gemm_limit(getattr(torch, name), device) for name in ("float32", "bfloat16")}


def _gemm_limit(dtype: torch.dtype, device: torch.device) -> float:
    a, b = torch.randn(2048, 1024, device=device).to(dtype), torch.randn(512, 1024, device=device).to(dtype)
    with torch.no_grad(), fast_float32(device):
        spent = [seconds(lambda: [nn.functional.linear(a, b) for _ in range(4)], device) for _ in range(4)]
    return 4 * 2 * 2048 * 1024 * 512 / min(spent[1:])


def _share(peak: int | None, base: int | None) -> float | None:
    return None if not base or peak is None else peak / base


def _variants(device: torch.device) -> dict[str, StepVariant]:
    def padded(model: BaseMIL, batch: Batch) -> Tensor:
        h, mask, _ = batch.padded()
        return model.forward_features(h, None if model.requires_packed else mask)[0]

    def packed(model: BaseMIL, batch: Batch) -> Tensor:
        return model.forward_packed(batch)[0]

    @contextmanager
    def half() -> Iterator[None]:
        with fast_float32(device), torch.autocast(device.type, torch.bfloat16):
            yield

    return {
        "padded": StepVariant(padded, nullcontext),
        "packed": StepVariant(packed, lambda: fast_float32(device)),
        "packed_bf16": StepVariant(packed, half, "bfloat16"),
        "checkpoint": StepVariant(packed, lambda: fast_float32(device), checkpoint=True),
    }


def _step(model: BaseMIL, batch: Batch, variant: StepVariant, record: Callable[[Tensor], object]) -> Work:
    torch.manual_seed(0)
    head = nn.Linear(model.embed_dim, 2).to(batch.features.device)
    labels = batch.labels
    assert labels is not None, "log_normal_batch has labels"

    def step() -> None:
        model.zero_grad(set_to_none=True)
        model.checkpoint = variant.checkpoint
        with variant.context():
            embedding = variant.forward(model, batch)
            record(embedding.detach())
            loss = cross_entropy(head(embedding).float(), labels)
            loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch

    return step
