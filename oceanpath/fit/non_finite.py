"""Losses and gradients that are not finite: the step is skipped and counted; too many consecutive ones end training."""

from __future__ import annotations

import math

from oceanpath.errors import StageError


class NonFiniteGuard:
    """Counts skipped steps. Numbers are never replaced: training with a NaN replaced by 0 would be wrong."""

    def __init__(self, limit: int) -> None:
        """End training after `limit` consecutive bad steps."""
        self.limit, self.skipped, self.in_a_row = limit, 0, 0

    def accepts(self, loss: float, gradient_norm: float, slides: tuple[str, ...] = ()) -> bool:
        """Whether the optimiser may step.

        Raises: StageError: this was consecutive bad step number `limit`; it names the slides of the batch.
        """
        if math.isfinite(loss) and math.isfinite(gradient_norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= self.limit:
            raise StageError(
                f"{self.in_a_row} training steps in a row had a loss or gradient that is not finite",
                where=", ".join(slides[:3]),
                got=f"loss {loss}, gradient norm {gradient_norm}",
                do="Lower train.lr, use precision 32, or check these slides for extreme features.",
            )
        return False
