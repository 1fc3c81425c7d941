"""Softmax-weighted sums over rows that come block by block (Milakov and Gimelshein 2018).

A running maximum, sum and weighted sum are all that is kept, so memory does not grow with the rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.models.patches import widen

STREAM_ABOVE = 16_384
"""Rows of a batch above which inference streams; below it everything fits into a few megabytes anyway."""
BLOCK = 4096


def streams(rows: int) -> bool:
    """Whether a batch of so many rows is read in blocks: never while gradients are recorded."""
    return rows > STREAM_ABOVE and not torch.is_grad_enabled()


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
