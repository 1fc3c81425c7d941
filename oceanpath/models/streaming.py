"""Long bags at inference in blocks: the limit, the block size, and softmax-weighted sums over blocks.

Of a softmax only a running maximum, sum and weighted sum are stored (Milakov and Gimelshein 2018, algorithm 3), so that
memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from oceanpath.models.patches import widen

STREAM_ABOVE = 16_384
"""Number of rows of a batch above which inference streams; smaller batches need a few megabytes."""
BLOCK = 4096


def streams(rows: int) -> bool:
    """Whether a batch of this many rows is computed in blocks: never while gradients are recorded."""
    return rows > STREAM_ABOVE and not torch.is_grad_enabled()


def blocks(rows: int) -> list[slice]:
    """Slices of at most `BLOCK` rows that cover all rows in order."""
    return [slice(start, min(rows, start + BLOCK)) for start in range(0, rows, BLOCK)]


def in_blocks(rows: int, block: Callable[[slice], Tensor]) -> Tensor:
    """[rows, E] of the results [n, E] of `block` for every slice, without a second copy."""
    whole = None
    for part in blocks(rows):
        values = block(part)
        whole = values.new_empty(rows, *values.shape[1:]) if whole is None else whole
        whole[part] = values
    assert whole is not None, "a bag has at least one row"
    return whole


@contextmanager
def limits(above: int, block: int) -> Iterator[None]:
    """In this context, inference streams above `above` rows in blocks of `block`, for checks on small bags."""
    global STREAM_ABOVE, BLOCK
    before = STREAM_ABOVE, BLOCK
    STREAM_ABOVE, BLOCK = above, block
    try:
        yield
    finally:
        STREAM_ABOVE, BLOCK = before


class RunningSoftmax:
    """softmax(scores) · values over the blocks that were added."""

    def __init__(self) -> None:
        self.top: Tensor | None = None
        self.total = self.sums = torch.empty(0)

    def add(self, scores: Tensor, values: Tensor) -> None:
        """One more block: float32 or wider scores [..., n] and values [..., n, E]."""
        top = scores.amax(dim=-1) if self.top is None else torch.maximum(self.top, scores.amax(dim=-1))
        powers = torch.exp(scores - top.unsqueeze(-1))
        total, sums = powers.sum(dim=-1), widen(torch.matmul(powers.to(values.dtype), values))
        if self.top is not None:
            keep = torch.exp(self.top - top)
            total, sums = total + self.total * keep, sums + self.sums * keep.unsqueeze(-1)
        self.top, self.total, self.sums = top, total, sums

    def mean(self) -> Tensor:
        """The weighted mean [..., E] of all blocks."""
        return self.sums / self.total.unsqueeze(-1)

    def weights(self, scores: Tensor) -> Tensor:
        """The weights [..., n] of rows with these scores in the mean."""
        assert self.top is not None, "nothing was added"
        return torch.exp(scores - self.top.unsqueeze(-1)) / self.total.unsqueeze(-1)
