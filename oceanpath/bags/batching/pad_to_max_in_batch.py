"""Batches of a fixed number of bags, padded to the longest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from oceanpath.bags.batching.base import Batching


class PadToMaxInBatch(Batching):
    """`batch_size` bags per batch in random order, padded to the longest view of the batch."""

    name: Literal["pad_to_max_in_batch"] = "pad_to_max_in_batch"
    """Batching strategy."""

    def padded_length(self, lengths: Sequence[int], longest: int) -> int:  # noqa: ARG002  # the interface of strategies
        """See `Batching.padded_length`."""
        return max(lengths)
