"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence

from oceanpath.errors import StageError


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values (Holm 1979), in the order given; they control the chance of any false alarm.

    None (a test that could not be made) stays None and does not count as a test.

    Raises:
        StageError: a p-value outside [0, 1].
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    if any(not 0 <= p <= 1 for p, _ in known):
        raise StageError("a p-value lies outside [0, 1]", got=[p for p, _ in known])
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted[place] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values (Benjamini and Hochberg 1995), in the order given; they control the false discovery rate.

    None stays None and does not count as a test.

    Raises:
        StageError: a p-value outside [0, 1].
    """
    known = sorted(((p, i) for i, p in enumerate(p_values) if p is not None), reverse=True)
    if any(not 0 <= p <= 1 for p, _ in known):
        raise StageError("a p-value is outside [0, 1]", got=[p for p, _ in known])
    adjusted: list[float | None] = [None] * len(p_values)
    lowest = 1.0
    for rank, (p, place) in enumerate(known):
        lowest = min(lowest, p * len(known) / (len(known) - rank))
        adjusted[place] = lowest
    return adjusted
