"""Long bags at inference, block by block: when, how large a block is, and softmax-weighted sums over blocks.

A running maximum, sum and weighted sum (Milakov and Gimelshein 2018) are all that is kept of a softmax, so memory does
not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from oceanpath.models.patches import widen

STREAM_ABOVE = 16_384
"""Rows of a batch above which inference streams; below it everything fits into a few megabytes anyway."""
BLOCK = 4096


def streams(rows: int) -> bool:
    """Whether a batch of so many rows is read in blocks: never while gradients are recorded."""
    return rows > STREAM_ABOVE and not torch.is_grad_enabled()


def blocks(rows: int) -> list[slice]:
    """Slices of at most `BLOCK` rows that cover all rows in order."""
    return [slice(start, min(rows, start + BLOCK)) for start in range(0, rows, BLOCK)]


def filled(rows: int, block: Callable[[slice], Tensor]) -> Tensor:
    """[rows, E] of what `block` gives for every slice [n, E], none of it held twice."""
    whole = None
    for part in blocks(rows):
        values = block(part)
        whole = values.new_empty(rows, *values.shape[1:]) if whole is None else whole
        whole[part] = values
    assert whole is not None, "a bag has at least one row"
    return whole


@contextmanager
def limits(above: int, block: int) -> Iterator[None]:
    """Inside, inference streams above `above` rows in blocks of `block`: how a law looks at small bags."""
    global STREAM_ABOVE, BLOCK
    before = STREAM_ABOVE, BLOCK
    STREAM_ABOVE, BLOCK = above, block
    try:
        yield
    finally:
        STREAM_ABOVE, BLOCK = before


class RunningSoftmax:
    """softmax(scores) · values over all blocks added so far."""

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
        """The weighted mean [..., E] of everything added."""
        return self.sums / self.total.unsqueeze(-1)

    def weights(self, scores: Tensor) -> Tensor:
        """The weights [..., n] that rows with these scores had in it."""
        assert self.top is not None, "nothing was added"
        return torch.exp(scores - self.top.unsqueeze(-1)) / self.total.unsqueeze(-1)
