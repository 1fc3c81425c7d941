"""Scale bars of round length."""

from __future__ import annotations

import math

UNITS = (("mm", 1000.0), ("µm", 1.0))
"""Name and micrometres."""


def scale_bar(width: float, mpp: float | None) -> tuple[float, str]:
    """Length in level-0 pixels and label of a bar of 1, 2 or 5 × 10^k, at most a quarter of a width.

    Args:
        width: In level-0 pixels.
        mpp: Micrometres per level-0 pixel; if it is None, the label is in pixels.
    """
    if mpp is None:
        length = _round(width / 4)
        return length, f"{length:g} px (level 0)"
    micrometres = _round(width * mpp / 4)
    name, size = next((name, size) for name, size in UNITS if micrometres >= size or size == 1.0)
    return micrometres / mpp, f"{micrometres / size:g} {name}"


def _round(limit: float) -> float:
    """The largest of 1, 2 or 5 × 10^k up to `limit`."""
    power = 10.0 ** math.floor(math.log10(limit))
    return next(step * power for step in (5, 2, 1) if step * power <= limit)
