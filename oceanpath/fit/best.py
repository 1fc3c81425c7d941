"""Which epoch is kept, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class BestEpoch:
    """Remembers the weights of the epoch with the best score on the validation slides; the first of equals."""

    patience: int
    """Epochs without a better score after which the fit stops."""
    higher: bool = False
    """Whether a higher score is better."""
    epoch: int = -1
    score: float = math.nan
    state: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, epoch: int, score: float, module: nn.Module) -> bool:
        """Look at an epoch; True when the fit should stop. A score that is not finite is never the best."""
        better = self.epoch < 0 or (score > self.score if self.higher else score < self.score)
        if math.isfinite(score) and better:
            self.epoch, self.score = epoch, score
            self.state = {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
        return epoch - max(self.epoch, 0) >= self.patience
