"""The optimiser steps of a training: which bags are in which batch of which step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice, pairwise
from typing import NamedTuple

from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.sampler import BatchSampler


class PlannedStep(NamedTuple):
    """One optimiser step."""

    number: int
    epoch: int
    batches: list[list[Draw]]
    ends_epoch: bool


class StepPlan:
    """The steps of a training; they depend on the batches of each epoch alone."""

    def __init__(self, batches: BatchSampler, accumulate: int, epochs: int, max_steps: int | None) -> None:
        """`accumulate` batches, or the window of one loss, are one step.

        The number of steps is `max_steps`, or that of `epochs` epochs.
        """
        self._sampler, self._accumulate = batches, accumulate
        self.total = max_steps or sum(len(self._epoch(epoch)) for epoch in range(epochs))
        """Number of optimiser steps."""

    def steps(self, start: int) -> Iterator[PlannedStep]:
        """The steps from number `start` to the last."""
        numbered = enumerate(islice(self._all(), self.total))
        return (PlannedStep(number, *planned) for number, planned in numbered if number >= start)

    def _all(self) -> Iterator[tuple[int, list[list[Draw]], bool]]:
        """Epoch, batches, and whether the epoch ends, for each step; without an end."""
        for epoch in count():
            steps = self._epoch(epoch)
            yield from ((epoch, batches, k == len(steps)) for k, batches in enumerate(steps, 1))

    def _epoch(self, epoch: int) -> list[list[list[Draw]]]:
        """The batches of each step of an epoch; the last step may have fewer."""
        self._sampler.set_epoch(epoch)
        batches, size = list(self._sampler), self._accumulate
        ends = [min(first + size, len(batches)) for first in range(0, len(batches), size)]
        if self._sampler.window is not None:
            ends = [number + 1 for number in range(len(batches)) if self._sampler.ends_loss(number)]
        return [batches[first:end] for first, end in pairwise([0, *ends])]
