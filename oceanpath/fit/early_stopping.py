"""Selection of the best epoch, and early stopping."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


def is_better(scores: tuple[float, ...], best: tuple[float, ...]) -> bool:
    """Whether finite scores are lower than the best ones, which are () if there are none."""
    return all(map(math.isfinite, scores)) and (not best or scores < best)


@dataclass
class BestWeights:
    """Keeps the weights of the epoch with the best validation scores; of equal epochs, the first.

    Scores are compared in order: later ones break ties.
    """

    patience: int
    """Epochs without improvement after which training stops."""
    epoch: int = -1
    scores: tuple[float, ...] = ()
    """Of the best epoch."""
    state: dict[str, Tensor] = field(default_factory=dict)

    def update(self, epoch: int, scores: tuple[float, ...], module: nn.Module) -> bool:
        """Compare an epoch with the best one; True if training should stop.

        Args:
            epoch: Its index, from 0.
            scores: Lower is better. An epoch with a score that is not finite is never the best.
            module: The model with its weights.
        """
        if is_better(scores, self.scores):
            self.epoch, self.scores = epoch, scores
            self.state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
        return epoch - max(self.epoch, 0) >= self.patience
