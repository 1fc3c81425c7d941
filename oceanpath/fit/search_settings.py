"""Settings of a search for hyperparameters. No torch, no Optuna."""

from typing import Any

from pydantic import Field

from oceanpath.settings import Settings


class SearchSettings(Settings):
    """Search for hyperparameters within each fold, on its inner validation set alone."""

    trials: int = Field(30, ge=0)
    """Number of trainings that are compared in each fold; 0: no search."""
    minutes: float | None = Field(None, gt=0.0)
    """Minutes per fold after which no further trial starts. The number of trials, and so the result, then depends on
    the speed of the machine."""
    startup: int = Field(8, ge=1)
    """Number of random trials before values are proposed by TPE and trials below the median are ended."""
    prune: bool = True
    """Whether a trial ends when its best validation score is worse than the median of earlier trials at that epoch."""
    space: dict[str, Any] = Field(default_factory=dict)
    """Key of `[train]` or, below `model`, of `[model]` → its values: a list, or a table with `low`, `high` and
    `log = true` for a logarithmic scale."""
