"""Learning rates: linear warm-up, then one of several schedules. A rate is a factor of the peak rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from oceanpath.fit.settings import FitSettings


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 while `progress` goes from 0 to 1 (Loshchilov and Hutter 2017, without restarts)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))


@dataclass
class Schedule:
    """The rate of every step. `end_epoch` is called after each epoch; only ``plateau`` depends on it."""

    warmup: int
    """Steps of warm-up."""
    total: int
    """Steps of the whole training."""
    after_warmup: Callable[[float], float]
    """Factor by the fraction of the steps after the warm-up that are done."""
    patience: int | None = None
    """Epochs without a better validation score after which the rate is reduced; None: never."""
    reduction: float = 0.1
    reduced: float = 1.0
    """Product of all reductions."""
    waited: int = 0
    """Epochs without a better validation score since the last one, or since the last reduction."""

    def factor(self, step: int) -> float:
        """Factor at a step in ``0 … total - 1``: never 0 at the first."""
        if step < self.warmup:
            return self.reduced * (step + 1) / (self.warmup + 1)
        return self.reduced * self.after_warmup((step - self.warmup) / max(1, self.total - self.warmup))

    def end_epoch(self, improved: bool) -> None:
        """Note whether the validation score of an epoch is the best one so far."""
        self.waited = 0 if improved else self.waited + 1
        if self.patience is not None and self.waited >= self.patience:
            self.reduced, self.waited = self.reduced * self.reduction, 0

    def contents(self) -> dict[str, Any]:
        """The state after an epoch."""
        return {"reduced": self.reduced, "waited": self.waited}

    def restore(self, contents: dict[str, Any]) -> None:
        """Continue from a state."""
        self.reduced, self.waited = contents["reduced"], contents["waited"]


def build_schedule(settings: FitSettings, total: int) -> Schedule:
    """The schedule of the settings for `total` steps."""
    warmup, reduction = round(settings.warmup * total / settings.epochs), settings.schedule_factor
    epochs, after = settings.schedule_epochs, settings.epochs - settings.warmup
    if settings.schedule == "plateau":
        return Schedule(warmup, total, lambda _: 1.0, epochs, reduction)
    shapes: dict[str, Callable[[float], float]] = {
        "cosine": cosine,
        "constant": lambda _: 1.0,
        "step": lambda progress: reduction ** math.floor(progress * after / epochs + 1e-9),
    }
    return Schedule(warmup, total, shapes[settings.schedule])
