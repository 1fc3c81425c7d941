"""The scan of `ssd` by the Triton kernels of mamba-ssm, for CUDA only.

The same recurrence and the same result up to rounding (1e-4), in memory that does not grow with the chunk.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from oceanpath.errors import MissingExtraError

SMALLEST = 16
"""Rows of a Triton block; chunks are powers of two, at least this."""


def are_used(setting: str, x: Tensor) -> bool:
    """Whether the kernels compute a scan of x: only on CUDA and never in float64.

    Raises: MissingExtraError: `setting` requires them and they are not installed.
    """
    if setting == "torch" or x.dtype == torch.float64 or not _on_cuda(x):
        return False
    if find_spec("mamba_ssm") is not None:
        return True
    if setting == "auto":
        return False
    raise MissingExtraError(
        "the kernels of mamba-ssm are not installed",
        where="[model] kernels",
        got=setting,
        do="pip install 'oceanpath[mamba]' on a machine with CUDA, or set kernels = \"torch\".",
    )


def scan(
    x: Tensor, steps: Tensor, a: Tensor, b: Tensor, c: Tensor, chunk: int, start: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`ssd.scan` of x · steps with decay steps · a.

    Args:
        x: [B, L, H, P].
        steps: [B, L, H], the Δ of every token, positive.
        a: [H], negative.
        b: [B, L, S].
        c: [B, L, S].
        chunk: tokens of one block, rounded up to a power of two.
        start: the state [B, H, P, S] before the first token; None = 0.

    Returns: y [B, L, H, P] and the state [B, H, P, S] after the last token.
    """
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined

    size = max(SMALLEST, 1 << (chunk - 1).bit_length())
    output: Any = mamba_chunk_scan_combined(
        x.contiguous(),
        steps.contiguous(),
        a,
        b.unsqueeze(2).contiguous(),
        c.unsqueeze(2).contiguous(),
        size,
        initial_states=start,
        return_final_states=True,
    )
    y, last = output
    return y, last


def _on_cuda(x: Tensor) -> bool:
    return x.is_cuda
