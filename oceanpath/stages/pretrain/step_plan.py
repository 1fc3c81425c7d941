"""The optimiser steps of a training: which bags are in which batch of which step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import NamedTuple

from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.fit.seeds import derive
from oceanpath.stages.pretrain.settings import PretrainSettings


class PlannedStep(NamedTuple):
    """One optimiser step."""

    number: int
    epoch: int
    batches: list[list[int]]
    """Positions of the bags of each batch."""


class StepPlan:
    """The steps of a training; they depend on the settings, the lengths and the seed alone."""

    def __init__(self, lengths: Sequence[int], settings: PretrainSettings, seed: int, least_bags: int) -> None:
        """`least_bags` is the minimum number of bags per batch: a smaller batch is merged with the one before."""
        self._sampler = BatchSampler(lengths, settings.batching, settings.batch_size, derive(seed, "order"))
        self._settings, self._least = settings, least_bags
        self.total = settings.max_steps or sum(len(self._epoch(epoch)) for epoch in range(settings.epochs))
        """Number of optimiser steps."""

    def steps(self, start: int) -> Iterator[PlannedStep]:
        """The steps from number `start` to the last."""
        every = ((epoch, batches) for epoch in count() for batches in self._epoch(epoch))
        numbered = enumerate(islice(every, self.total))
        return (PlannedStep(number, epoch, batches) for number, (epoch, batches) in numbered if number >= start)

    def _epoch(self, epoch: int) -> list[list[list[int]]]:
        """The batches of each step of an epoch; the last step may have fewer."""
        self._sampler.set_epoch(epoch)
        batches = merge_small([[draw.position for draw in draws] for draws in self._sampler], self._least)
        size = self._settings.accumulate
        return [batches[first : first + size] for first in range(0, len(batches), size)]


def merge_small(batches: list[list[int]], least: int) -> list[list[int]]:
    """The same bags in batches of at least `least`, if there are as many: small batches join the one before."""
    merged: list[list[int]] = []
    for batch in batches:
        if merged and (len(batch) < least or len(merged[-1]) < least):
            merged[-1] = merged[-1] + batch
        else:
            merged.append(batch)
    return merged
