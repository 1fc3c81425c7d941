"""In which order the slides of an epoch come: a function of (seed, epoch) and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from oceanpath.bags.dataset import Draw


class BagSampler(Sampler[Draw]):
    """Every position once an epoch, shuffled; or, balanced, as many draws with each class equally likely.

    Lightning calls `set_epoch`; whoever loops by hand must.
    """

    def __init__(self, count: int, seed: int, balance: Sequence[int] | None = None) -> None:
        """Args are the number of positions, the seed, and (for balanced draws) the label of each position."""
        if balance is not None and len(balance) != count:
            raise ValueError(f"{count} positions but {len(balance)} labels")
        self.count, self.seed, self.epoch = count, seed, 0
        self.weights = None if balance is None else _class_weights(np.asarray(balance))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Draw]:
        random = np.random.default_rng([self.seed, self.epoch])
        if self.weights is None:
            order = random.permutation(self.count)
        else:
            order = random.choice(self.count, size=self.count, p=self.weights)
        return (Draw(int(position), self.epoch) for position in order)


def _class_weights(labels: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[inverse]
    normal: np.ndarray = weights / weights.sum()
    return normal
