"""The batches of each epoch as draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from oceanpath.bags.batching.base import Batching, Draw, Epoch
from oceanpath.bags.batching.merge import merge_small
from oceanpath.bags.batching.windows import Window


class BatchSampler(Sampler[list[Draw]]):
    """The batches of an epoch by a strategy; they depend on (seed, epoch) and on nothing else."""

    def __init__(
        self,
        lengths: Sequence[int],
        batching: Batching,
        batch_size: int,
        seed: int,
        balance: Sequence[int] | None = None,
        min_batch: int = 1,
        window: Window | None = None,
    ) -> None:
        """`lengths` are the patches of each position; `balance` the label of each, for equal rates per class.

        Batches of fewer than `min_batch` bags are added to others. Raises: ValueError: there are fewer bags.
        With a `window`, every window of batches contains a required bag.
        """
        if balance is not None and len(balance) != len(lengths):
            raise ValueError(f"{len(lengths)} positions but {len(balance)} labels")
        self.lengths, self.batching, self.batch_size, self.seed = list(lengths), batching, batch_size, seed
        self.rates = None if balance is None else _class_rates(np.asarray(balance))
        if len(lengths) < min_batch:
            raise ValueError(f"{len(lengths)} bags, but a batch needs {min_batch}")
        self.min_batch, self.window = min_batch, window
        self.epoch, self._skipped = 0, 0
        self._planned: tuple[int, list[list[Draw]]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration, which starts with its first batch."""
        self.resume(epoch, 0)

    def resume(self, epoch: int, delivered: int) -> None:
        """Continue in `epoch` after its first `delivered` batches; later iterations start with the first batch."""
        self.epoch, self._skipped = epoch, delivered

    def total(self, epochs: int) -> int:
        """Number of batches of the first `epochs` epochs."""
        return sum(len(self._plan(epoch)) for epoch in range(epochs))

    def ends_loss(self, number: int) -> bool:
        """Whether batch `number` of the current epoch is the last of its window; without windows, every batch is."""
        return self.window is None or number in self.window.ends(self._current())

    def __len__(self) -> int:
        return len(self._current()) - self._skipped

    def __iter__(self) -> Iterator[list[Draw]]:
        batches, self._skipped = self._current()[self._skipped :], 0
        return iter(batches)

    def _current(self) -> list[list[Draw]]:
        """The batches of the current epoch."""
        if self._planned is None or self._planned[0] != self.epoch:
            self._planned = self.epoch, self._plan(self.epoch)
        return self._planned[1]

    def _plan(self, epoch: int) -> list[list[Draw]]:
        random, count = np.random.default_rng([self.seed, epoch]), len(self.lengths)
        drawn = random.permutation(count) if self.rates is None else random.choice(count, size=count, p=self.rates)
        positions: list[int] = drawn.tolist()
        draws, lengths = [Draw(k, epoch) for k in positions], [self.lengths[k] for k in positions]
        batches = self.batching.plan(Epoch(draws, lengths, self.batch_size, random))
        batches = batches if self.min_batch == 1 else merge_small(batches, self.lengths, self.min_batch)
        return batches if self.window is None else self.window.spread(batches)


def _class_rates(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each position: equal sums per class."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[inverse]
    rates: NDArray[np.float64] = weights / weights.sum()
    return rates
