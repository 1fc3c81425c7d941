"""How many CPU threads torch uses while a model is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Exactly `count` threads inside, the number from before afterwards.

    Sums are split over threads, so their number changes the last bits of a fit: it must not depend on the machine or
    on what else runs there.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
