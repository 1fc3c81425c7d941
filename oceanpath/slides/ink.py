"""Detection of pen marks in green, blue, black or red, and of the black frame of a cover slip.

The criterion is optical density relative to the glass (Beer-Lambert: densities of superposed dyes add up). Haematoxylin
and eosin both absorb more green than red light (Ruifrok and Johnston 2001); green and blue pens do the opposite. Black
absorbs all three; dense nuclei still transmit blue. Red pen absorbs green and blue equally, to extinction; eosin
absorbs little blue, and blood is never that dense. Certain cores are extended over their fainter rims.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMALLEST_INK_MM2 = 0.01
"""A smaller core is pigment, a fold or a fibre: part of the tissue."""
RIM_UM = 16.0
"""Distance by which the edge of a pen mark extends beyond the pixels that differ from tissue."""


def find_ink(rgb: NDArray[np.uint8], glass: NDArray[np.floating], pixel_mm2: float) -> NDArray[np.bool_]:
    """Pixels that are pen or frame.

    Args:
        rgb: [h, w, 3], about 8 µm per pixel.
        glass: Red, green and blue of the empty slide.
        pixel_mm2: Area of a pixel.

    Returns: [h, w], True where ink covers the slide.
    """
    density = np.log10(np.maximum(glass, 1).astype(np.float32) / np.maximum(rgb, 1))
    red, green, blue = (density[..., colour] for colour in range(3))
    least = density.min(axis=2)
    kinds = (
        (red - green > 0.12, red - green > 0.03),
        (least > 0.6, least > 0.4),
        ((green > 0.85) & _red_pen(red, green, blue), (green > 0.15) & _red_pen(red, green, blue)),
    )
    ink = np.zeros(rgb.shape[:2], bool)
    for core, rim in kinds:
        certain = without_small(core, SMALLEST_INK_MM2 / pixel_mm2)
        if certain.any():
            ink |= ndimage.binary_propagation(certain, mask=rim | certain)
    steps = round(RIM_UM / (1000 * pixel_mm2**0.5))
    return ndimage.binary_dilation(ink, iterations=steps) if steps and ink.any() else ink


def without_small(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """`mask` without its connected components of fewer than `smallest` pixels."""
    parts, count = ndimage.label(mask)
    if not count:
        return mask
    keep = np.bincount(parts.ravel()) >= smallest
    keep[0] = False
    kept: NDArray[np.bool_] = keep[parts]
    return kept


def _red_pen(red: NDArray[np.float32], green: NDArray[np.float32], blue: NDArray[np.float32]) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = (blue > 0.75 * green) & (red < 0.25 * green)
    return kept
