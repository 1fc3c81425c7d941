"""Places for packages that count in level-0 pixels and cut off."""

from __future__ import annotations

import math


def level0_position(at: int, downsample: float) -> int:
    """The first whole level-0 pixel that ``int(place / downsample)`` takes to pixel `at` of a level."""
    place = math.floor(at * downsample)
    while int(place / downsample) < at:
        place += 1
    return place
