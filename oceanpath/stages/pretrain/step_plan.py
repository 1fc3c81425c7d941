"""The optimiser steps of a training: which bags are in which batch of which step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.sampler import BatchSampler


class PlannedStep(NamedTuple):
    """One optimiser step."""

    number: int
    epoch: int
    batches: list[list[Draw]]


class StepPlan:
    """The steps of a training; they depend on the batches of each epoch alone."""

    def __init__(self, batches: BatchSampler, accumulate: int, epochs: int, max_steps: int | None) -> None:
        """`accumulate` batches are one step; the number of steps is `max_steps`, or that of `epochs` epochs."""
        self._sampler, self._accumulate = batches, accumulate
        self.total = max_steps or sum(len(self._epoch(epoch)) for epoch in range(epochs))
        """Number of optimiser steps."""

    def steps(self, start: int) -> Iterator[PlannedStep]:
        """The steps from number `start` to the last."""
        every = ((epoch, batches) for epoch in count() for batches in self._epoch(epoch))
        numbered = enumerate(islice(every, self.total))
        return (PlannedStep(number, epoch, batches) for number, (epoch, batches) in numbered if number >= start)

    def _epoch(self, epoch: int) -> list[list[list[Draw]]]:
        """The batches of each step of an epoch; the last step may have fewer."""
        self._sampler.set_epoch(epoch)
        batches, size = list(self._sampler), self._accumulate
        return [batches[first : first + size] for first in range(0, len(batches), size)]
