"""Batches of a bounded number of patches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from oceanpath.bags.batching.base import Batching, Draw, Epoch


class TokenBudget(Batching):
    """Bags in random order up to a budget of patches per batch; a longer bag is a batch of its own."""

    name: Literal["token_budget"] = "token_budget"
    """Batching strategy."""
    budget: int = Field(ge=1)
    """Maximum number of patches per batch."""
    max_bags: int = Field(64, ge=1)
    """Maximum number of bags per batch."""
    padded: bool = False
    """Whether to count padding: each bag then costs as much as the longest bag of its batch."""

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        """See `Batching.plan`."""
        batches: list[list[Draw]] = []
        longest = total = 0
        for draw, length in zip(epoch.draws, epoch.lengths, strict=True):
            longest, total = max(longest, length), total + length
            count = len(batches[-1]) + 1 if batches else 1
            cost = longest * count if self.padded else total
            if not batches or cost > self.budget or count > self.max_bags:
                batches.append([])
                longest = total = length
            batches[-1].append(draw)
        return batches
