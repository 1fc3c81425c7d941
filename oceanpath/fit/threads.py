"""The number of CPU threads that torch uses in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Exactly `count` threads inside; the previous number is restored afterwards.

    Sums are split over threads, so their number changes the last bits of a fit: it must not depend on the machine or
    on other processes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
