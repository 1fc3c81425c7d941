"""Batches of a fixed number of bags, padded to the longest of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from oceanpath.bags.batching.base import Batching


class PadToGlobal(Batching):
    """`batch_size` bags per batch in random order, padded to the longest bag: all batches have one shape."""

    name: Literal["pad_to_global"] = "pad_to_global"
    """Batching strategy."""

    def padded_length(self, lengths: Sequence[int], longest: int) -> int:  # noqa: ARG002  # the interface of strategies
        """See `Batching.padded_length`."""
        return longest
