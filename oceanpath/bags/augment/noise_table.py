"""A fixed table of normal numbers: reading is faster than drawing, and equal on every device."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

SIZE = 1 << 21
"""Numbers of the table, 8 MiB."""


def noise_rows(starts: Tensor, views: Tensor, width: int) -> Tensor:
    """Normal numbers [n, width], not to be changed: those of a view are consecutive in the table.

    `starts` [V] in [0, 1) is the position of each view in the table, `views` [n] the view of each row, in order. At the
    end of the table a view continues at its beginning.
    """
    table, rows = _table(starts.device), len(views)
    first = (starts * (SIZE - width)).long()
    if len(first) == 1 and int(first) + rows * width <= SIZE - width:
        return table[int(first) : int(first) + rows * width].view(rows, width)
    counts = views.bincount(minlength=len(first))
    row = torch.arange(rows, device=views.device) - (counts.cumsum(0) - counts).index_select(0, views)
    at = (first.index_select(0, views) + row * width) % (SIZE - width)
    return table.unfold(0, width, 1).index_select(0, at)


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(0)).to(device)
