"""Gradient checkpointing: results of the forward pass that are computed again in the backward pass are not kept.

Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016. Where no gradient is recorded (and
so in exports) the functions here do nothing. Random numbers of the second pass are those of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

R = TypeVar("R")
ROWS = 4096
"""Rows whose inner results exist at once in `by_rows`."""


def checkpointed(wanted: bool, work: Callable[..., R], *inputs: object) -> R:
    """``work(*inputs)``; when `wanted`, only its inputs are kept for the backward pass."""
    if not wanted or not torch.is_grad_enabled():
        return work(*inputs)
    result: R = checkpoint(work, *inputs, use_reentrant=False)
    return result


def by_rows(wanted: bool, work: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """``work(rows)`` of a function that looks at each row [.., D] of [B, n, D] or [n, D] for itself, `ROWS` at a time.

    Without blocks the second pass would need at once what the first one did not keep.
    """
    if not wanted or not torch.is_grad_enabled() or rows.shape[-2] <= ROWS:
        return checkpointed(wanted, work, rows)
    return torch.cat([checkpointed(True, work, part) for part in torch.split(rows, ROWS, dim=-2)], dim=-2)
