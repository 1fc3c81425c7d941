"""What determines the intervals of an evaluation."""

from __future__ import annotations

from typing import Protocol


class IntervalOptions(Protocol):
    """Settings of a stage that reports intervals."""

    @property
    def resamples(self) -> int:
        """Number of resamples of the patients."""

    @property
    def confidence(self) -> float:
        """Confidence level."""

    @property
    def seed(self) -> int:
        """Seed of the resamples."""


class ComparisonOptions(IntervalOptions, Protocol):
    """Settings of a comparison of models."""

    @property
    def margin(self) -> float | None:
        """Largest acceptable loss of the main metric for non-inferiority; None: not tested."""
