"""Batches of bags of similar length."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from pydantic import Field

from oceanpath.bags.batching.base import Batching, Draw, Epoch, chunks


class LengthBuckets(Batching):
    """`batch_size` bags of similar length per batch: less padding in architectures that pad."""

    name: Literal["length_buckets"] = "length_buckets"
    """Batching strategy."""
    buckets: int = Field(10, ge=1)
    """Number of groups by length; batches are formed within a group, and their order is random."""

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        """See `Batching.plan`."""
        count = len(epoch.draws)
        by_length = [epoch.draws[k] for k in sorted(range(count), key=epoch.lengths.__getitem__)]
        buckets = min(self.buckets, count)
        edges = [count * k // buckets for k in range(buckets + 1)]
        batches = []
        for first, last in pairwise(edges):
            order = epoch.random.permutation(last - first).tolist()
            batches += chunks([by_length[first + k] for k in order], epoch.batch_size)
        return [batches[k] for k in epoch.random.permutation(len(batches)).tolist()]
