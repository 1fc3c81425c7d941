"""Batches filled up to a number of patches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from oceanpath.bags.batching.base import Batching, Draw, Epoch


class SequencePacking(Batching):
    """Bags in random order, each in the first batch with enough of its budget left; a longer bag is a batch of its own.

    The bags of a batch are computed as one sequence without padding, each as if it were alone.
    """

    name: Literal["sequence_packing"] = "sequence_packing"
    """Batching strategy."""
    budget: int = Field(32768, ge=1)
    """Maximum number of patches per batch."""
    open_batches: int = Field(16, ge=1)
    """Number of batches that are filled at the same time; the fullest is closed when another one is needed."""

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        """See `Batching.plan`."""
        closed: list[list[Draw]] = []
        opened: list[tuple[int, list[Draw]]] = []
        for draw, length in zip(epoch.draws, epoch.lengths, strict=True):
            fitting = [k for k, (used, _) in enumerate(opened) if used + length <= self.budget]
            if fitting:
                used, batch = opened.pop(fitting[0])
            else:
                if len(opened) == self.open_batches:
                    closed.append(opened.pop(max(range(len(opened)), key=lambda k: opened[k][0]))[1])
                used, batch = 0, []
            batch.append(draw)
            opened.append((used + length, batch))
        closed += [batch for _, batch in opened]
        return [closed[k] for k in epoch.random.permutation(len(closed)).tolist()]
