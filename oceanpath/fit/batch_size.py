"""The number of bags per step, from the number of training slides."""

from __future__ import annotations

import math

STEPS = 40
"""Approximate number of steps per epoch."""
SMALLEST, LARGEST = 4, 16


def batch_size_for(slides: int, compares_slides: bool) -> int:
    """A 40th of the training slides as a power of two, from 4 to 16; 4 if one loss compares several batches."""
    if compares_slides:
        return SMALLEST
    nearest = int(2.0 ** round(math.log2(max(1, slides) / STEPS)))
    return min(LARGEST, max(SMALLEST, nearest))
