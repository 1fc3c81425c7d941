"""Faster float32 matrix products on the CPU by oneDNN, if they are measured to have float32 accuracy.

Torch uses oneDNN only at precision "medium", which on a processor with matrix units means bfloat16. Therefore the error
of one product is measured once per process; above the limit nothing is changed. On a GPU "medium" means reduced
precision, so nothing is changed there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

LIMIT = 3e-6
"""Maximum error of a product of rows of length 1024, relative to its largest value: float32 is below it, bfloat16 1000
times above."""


FEWEST_ROWS = 4096
"""Number of rows below which it does not pay: oneDNN compiles a kernel for every new shape, in about a millisecond."""


@contextmanager
def fast_float32(device: torch.device | str = "cpu", rows: int = FEWEST_ROWS) -> Iterator[bool]:
    """In this context float32 products use oneDNN if it is accurate enough on this machine; yields whether they do.

    `rows` is the number of rows of the products, if they differ from batch to batch.
    """
    if rows < FEWEST_ROWS or torch.device(device).type != "cpu" or not _is_float32():
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
        product = torch.nn.functional.linear(a, b)
    finally:
        torch.set_float32_matmul_precision(before)
    return float((product - exact).abs().max() / exact.abs().max()) <= LIMIT
