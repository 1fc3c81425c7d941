"""Gradient checkpointing: intermediate results are recomputed in the backward pass instead of stored.

Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016. Without gradients (and
so in exports) these functions do nothing. Both passes draw the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

R = TypeVar("R")
ROWS = 4096
"""Number of rows per block in `by_rows`."""


def checkpointed(enabled: bool, work: Callable[..., R], *inputs: object) -> R:
    """``work(*inputs)``; if `enabled`, only its inputs are stored for the backward pass."""
    if not enabled or not torch.is_grad_enabled():
        return work(*inputs)
    result: R = checkpoint(work, *inputs, use_reentrant=False)
    return result


def by_rows(enabled: bool, work: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """``work(rows)`` of a row-wise function of [B, n, D] or [n, D], `ROWS` rows at a time.

    Without blocks the backward pass would need all intermediate results at once.
    """
    if not enabled or not torch.is_grad_enabled() or rows.shape[-2] <= ROWS:
        return checkpointed(enabled, work, rows)
    return torch.cat([checkpointed(True, work, part) for part in torch.split(rows, ROWS, dim=-2)], dim=-2)
