"""Sizes that depend on the number of patches, in eager code and in exported graphs.

An exporter fixes the outcome of a comparison of sizes for all sizes. A size that is read from a tensor is computed when
the graph runs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST = 1 << 20


def tracing() -> bool:
    """Whether ``torch.jit.trace`` is recording, so that sizes are tensors."""
    return bool(torch._C._get_tracing_state())


def exporting() -> bool:
    """Whether the graph is being recorded for another runtime, by ``torch.jit.trace`` or ``torch.export``."""
    return tracing() or torch.compiler.is_exporting()


def as_tensor(n: int, like: Tensor) -> Tensor:
    """A size as an int64 scalar that remains part of the graph."""
    if tracing():
        return torch.as_tensor(n)
    scalar: Tensor = torch.ops.aten.scalar_tensor(n, dtype=torch.int64, device=like.device)
    return scalar


def ceil_sqrt(n: int, like: Tensor) -> int:
    """⌈√n⌉."""
    if exporting():
        return _read(torch.ceil(torch.sqrt(as_tensor(n, like).double())))
    root = math.isqrt(n)
    return root if root * root == n else root + 1


def ceil_divide(n: int, by: int, like: Tensor) -> int:
    """⌈n / by⌉."""
    if exporting():
        return _read(torch.div(as_tensor(n + by - 1, like), by, rounding_mode="floor"))
    return (n + by - 1) // by


def _read(size: Tensor) -> int:
    whole = size.to(torch.int64)
    if tracing():
        return whole  # type: ignore[return-value]  # while tracing, a size is a tensor
    value: int = whole.item()  # type: ignore[assignment]  # while exporting, a symbolic integer
    torch._check(value >= 1)  # type: ignore[no-untyped-call]  # untyped in torch
    torch._check(value <= LARGEST)  # type: ignore[no-untyped-call]  # untyped in torch
    return value
