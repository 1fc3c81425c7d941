"""Losses and gradients that are not finite: the step is skipped and counted; too many in a row end the fit."""

from __future__ import annotations

import math

from oceanpath.errors import StageError


class NonFiniteGuard:
    """Counts skipped steps. Numbers are never replaced: a NaN turned into 0 trains on garbage."""

    def __init__(self, limit: int) -> None:
        """End the fit after `limit` bad steps in a row."""
        self.limit, self.skipped, self.in_a_row = limit, 0, 0

    def accepts(self, loss: float, gradient_norm: float, slides: tuple[str, ...] = ()) -> bool:
        """Whether the optimiser may step.

        Raises: StageError: this was bad step number `limit` in a row; it names the slides of the batch.
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
                do="Lower train.lr, use precision 32, or look for extreme features in these slides.",
            )
        return False
