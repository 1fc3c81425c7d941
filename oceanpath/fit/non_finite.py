"""Losses and gradients that are not finite: the step is skipped and counted; too many consecutive ones end training."""

from __future__ import annotations

import math

from oceanpath.errors import StageError


class NonFiniteGuard:
    """Counts skipped steps. Numbers are never replaced: training with a NaN replaced by 0 would be wrong."""

    def __init__(self, limit: int) -> None:
        """End training after `limit` consecutive bad steps."""
        self.limit, self.skipped, self.consecutive = limit, 0, 0

    def accepts(self, loss: float, gradient_norm: float, slides: tuple[str, ...] = ()) -> bool:
        """Whether the optimiser may step.

        Raises: StageError: `limit` consecutive steps were bad; the error names the slides of the batch.
        """
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            self.consecutive = 0
            return True
        self.skipped += 1
        self.consecutive += 1
        if self.consecutive >= self.limit:
            raise StageError(
                f"{self.consecutive} consecutive training steps had a loss or gradient that is not finite",
                where=", ".join(slides[:3]),
                got=f"loss {loss}, gradient norm {gradient_norm}",
                do="Lower the learning rate, use precision 32, or check these slides for extreme features.",
            )
        return False
