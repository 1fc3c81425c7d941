"""Coordinates for SDKs that take level-0 pixels and truncate."""

from __future__ import annotations

import math


def level0_position(level_px: int, downsample: float) -> int:
    """The first whole level-0 pixel that ``int(position / downsample)`` maps to pixel `level_px` of a level."""
    position = math.floor(level_px * downsample)
    while int(position / downsample) < level_px:
        position += 1
    return position
