"""Which bags meet in a batch: named strategies that say what a batch costs, and a sampler that draws by one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from oceanpath.bags.dataset import Draw

Plan = list[NDArray[np.int64]]


class Batching(ABC):
    """Divides bags of known lengths into batches. Every bag is in one batch of an epoch; none is dropped."""

    name: ClassVar[str]
    padded: ClassVar[bool] = True
    """Whether its batches are computed side by side, each bag as long as the longest, or end to end."""

    @abstractmethod
    def plan(self, lengths: NDArray[np.int64], random: np.random.Generator) -> Plan:
        """Positions of the bags of each batch; `lengths` [n] are the patches of each bag, all ≥ 1."""

    def computed(self, lengths: NDArray[np.int64]) -> int:
        """Rows that are computed for a batch of bags of these lengths."""
        return int(lengths.max() * len(lengths)) if self.padded else int(lengths.sum())


class PadToMaxInBatch(Batching):
    """`batch_size` bags in random order, each as long as the longest of its batch."""

    name = "pad_to_max_in_batch"

    def __init__(self, batch_size: int) -> None:
        self.batch_size = _positive(batch_size=batch_size)

    def plan(self, lengths: NDArray[np.int64], random: np.random.Generator) -> Plan:
        """See `Batching.plan`."""
        return _cut(random.permutation(len(lengths)), self.batch_size)


class BucketBatching(Batching):
    """Bags of like lengths meet: `buckets` groups by length, shuffled within and among themselves."""

    name = "bucket_batching"

    def __init__(self, batch_size: int, buckets: int = 10) -> None:
        self.batch_size, self.buckets = _positive(batch_size=batch_size), _positive(buckets=buckets)

    def plan(self, lengths: NDArray[np.int64], random: np.random.Generator) -> Plan:
        """See `Batching.plan`."""
        groups = np.array_split(np.argsort(lengths, kind="stable"), min(self.buckets, len(lengths)))
        batches = [batch for group in groups for batch in _cut(random.permutation(group), self.batch_size)]
        return [batches[k] for k in random.permutation(len(batches))]


class TokenBudget(Batching):
    """Bags in random order until one more would cost more than `budget` computed rows; a longer bag comes alone.

    The cost is what is computed: with `padded`, the longest bag times their number; else the rows themselves.
    """

    name = "token_budget"

    def __init__(self, budget: int, max_bags: int = 64, padded: bool = False) -> None:
        self.budget, self.max_bags = _positive(budget=budget), _positive(max_bags=max_bags)
        self.padded = padded  # type: ignore[misc]  # here it is a choice

    def plan(self, lengths: NDArray[np.int64], random: np.random.Generator) -> Plan:
        """See `Batching.plan`."""
        batches: Plan = []
        open_: list[int] = []
        longest = total = 0
        for k in random.permutation(len(lengths)).tolist():
            n = int(lengths[k])
            cost = max(longest, n) * (len(open_) + 1) if self.padded else total + n
            if open_ and (cost > self.budget or len(open_) == self.max_bags):
                batches.append(np.array(open_, np.int64))
                open_, longest, total = [], 0, 0
            open_.append(k)
            longest, total = max(longest, n), total + n
        return [*batches, np.array(open_, np.int64)] if open_ else batches


BATCHINGS: dict[str, type[Batching]] = {kind.name: kind for kind in (PadToMaxInBatch, TokenBudget, BucketBatching)}
"""Strategies by name."""


class BatchSampler(Sampler[list[Draw]]):
    """The batches of an epoch by a strategy: a function of (seed, epoch), whoever asks and from wherever.

    Readers that run ahead would make a count kept here wrong: whoever consumes counts, and says `resume`.
    """

    def __init__(self, lengths: Sequence[int], batching: Batching, seed: int) -> None:
        self.lengths, self.batching, self.seed = np.asarray(lengths, np.int64), batching, seed
        self.epoch, self._skip = 0, 0
        self._planned: tuple[int, Plan] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws, from its first batch."""
        self.resume(epoch, 0)

    def resume(self, epoch: int, delivered: int) -> None:
        """Go on in `epoch` after its first `delivered` batches; later iterations start at the first again."""
        self.epoch, self._skip = epoch, delivered

    def plan(self) -> Plan:
        """Positions of the bags of each batch of the chosen epoch."""
        if self._planned is None or self._planned[0] != self.epoch:
            random = np.random.default_rng([self.seed, self.epoch])
            self._planned = self.epoch, self.batching.plan(self.lengths, random)
        return self._planned[1]

    def padding(self) -> float:
        """Computed rows a real row in the chosen epoch; 1 is none wasted."""
        computed = sum(self.batching.computed(self.lengths[batch]) for batch in self.plan())
        return computed / int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.plan()) - self._skip

    def __iter__(self) -> Iterator[list[Draw]]:
        batches, self._skip = self.plan()[self._skip :], 0
        return iter([[Draw(int(position), self.epoch) for position in batch] for batch in batches])


def _cut(order: NDArray[np.int64], size: int) -> Plan:
    return [order[start : start + size] for start in range(0, len(order), size)]


def _positive(**value: int) -> int:
    ((name, number),) = value.items()
    if number < 1:
        raise ValueError(f"{name} is at least 1, not {number}")
    return number
