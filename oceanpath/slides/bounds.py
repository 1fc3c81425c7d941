"""The scanned area of a slide; level 0 may be larger (Leica, Mirax, some Hamamatsu)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Bounds(NamedTuple):
    """A rectangle in level-0 pixels."""

    x: int
    y: int
    width: int
    height: int


def scanned_bounds(properties: Mapping[str, str], size: tuple[int, int]) -> Bounds:
    """The scanned area as OpenSlide reports it (`openslide.bounds-*`); default: the whole slide of `size`."""
    names = ("x", "y", "width", "height")
    try:
        bounds = Bounds(*(int(properties[f"openslide.bounds-{name}"]) for name in names))
    except (KeyError, ValueError):
        return Bounds(0, 0, *size)
    return bounds if bounds.width > 0 and bounds.height > 0 else Bounds(0, 0, *size)
