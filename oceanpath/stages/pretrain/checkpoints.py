"""Checkpoints of a pretraining.

last.ckpt   all that the rest of the training depends on
best.ckpt   {"format": 1, "state": state dict of the method} of the selected step
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

BEST, LAST = "best.ckpt", "last.ckpt"


@dataclass
class TrainingState:
    """The progress of a training."""

    done: int = 0
    """Number of optimiser steps."""
    best_step: int = -1
    """Steps after which the best weights were kept; -1 if none were."""
    best_score: float = 0.0
    """The lower, the better."""
    collapsed_at: int = 0
    """Step at which collapse was first reported, if training continued; otherwise 0."""
    collapse: str = ""
    rows: list[dict[str, float | None]] = field(default_factory=list)
    """One per evaluation."""

    def contents(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_contents(cls, contents: dict[str, Any]) -> Self:
        """The state that `contents` describes."""
        return cls(**contents)
