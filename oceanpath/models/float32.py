"""float32 matrix products on the CPU through oneDNN, where that is faster and was measured to be float32.

Torch sends them to another library unless its precision is "medium", which on a processor with matrix units means
bfloat16. So the error of one product is measured once a process; over the limit nothing is changed. On a GPU "medium"
would mean reduced precision, so there nothing is changed either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

LIMIT = 3e-6
"""Largest error of a product of 1024-long rows, as a share of its largest value: float32 is below, bfloat16 1000 times
above."""


@contextmanager
def fast_float32(device: torch.device | str = "cpu") -> Iterator[bool]:
    """Inside, float32 products take the fast way if it is exact enough here; yields whether they do."""
    if torch.device(device).type != "cpu" or not _is_float32():
        yield False
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield True
    finally:
        torch.set_float32_matmul_precision(before)


@cache
def _is_float32() -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]  # untyped in torch
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(64, 1024, generator=generator), torch.randn(64, 1024, generator=generator)
    exact = a.double() @ b.double().T
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        found = torch.nn.functional.linear(a, b)
    finally:
        torch.set_float32_matmul_precision(before)
    return float((found - exact).abs().max() / exact.abs().max()) <= LIMIT
