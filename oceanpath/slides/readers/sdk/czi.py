"""`.czi` (Carl Zeiss) through pylibCZIrw, the vendor's binding of libCZI."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

WHITE = (1.0, 1.0, 1.0)
BRIGHTFIELD = "Bgr24"
METRE_UM = 1e6
JUST_ABOVE = 1 + 1e-9
"""libCZI truncates a size to whole pixels; 1 / 3 of 3 pixels must be 1."""
COVERED = 0.75
"""Minimum area of a layer as a fraction of level 0, whose tiles overlap by up to a tenth on each axis."""


class CziSlide:
    """A brightfield slide of one plane; the levels are the layers of its pyramid."""

    mpp_source = "czi.Scaling"

    def __init__(self, path: str) -> None:
        """Open it. Raises: ValueError: it is not one plane of 8-bit colour; RuntimeError: libCZI cannot open it."""
        from pylibCZIrw import czi

        self._file = czi.CziReader(path)
        box = self._file.total_bounding_box
        planes = {dim: high - low for dim, (low, high) in box.items() if dim not in "XY" and high - low > 1}
        kinds = set(self._file.pixel_types.values())
        if planes or kinds != {BRIGHTFIELD}:
            got = ", ".join([*sorted(kinds), *(f"{count} of {dim}" for dim, count in sorted(planes.items()))])
            raise ValueError(f"not one plane of {BRIGHTFIELD}: {got}")
        self._left, self._top, width, height = self._file.total_bounding_rectangle_no_pyramid
        self.downsamples = [float(factor) for factor in self._factors() if factor <= min(width, height)]
        self.sizes = [(int(width / factor), int(height / factor)) for factor in self.downsamples]
        tree = ElementTree.fromstring(self._file.raw_metadata)
        self.mpp = (_number(tree, _distance("X")) * METRE_UM, _number(tree, _distance("Y")) * METRE_UM)
        self.power = _number(tree, ".//Objective/NominalMagnification")

    def _factors(self) -> list[int]:
        """Downsamples at which the whole slide is stored: 1, and those of its pyramid.

        libCZI samples the nearest pixel of the next finer layer, so only stored layers are used as levels.
        """
        areas: dict[int, int] = {}

        def add(_: int, block: Any) -> bool:
            whole, stored = block.logicalRect, block.physicalSize
            factor = max(1, round(whole.w / stored.w))
            areas[factor] = areas.get(factor, 0) + whole.w * whole.h
            return True

        self._file.enumerate_subblocks(add)
        return [factor for factor, area in sorted(areas.items()) if factor == 1 or area >= COVERED * areas.get(1, 0)]

    def read(self, x: int, y: int, level: int, width: int, height: int) -> NDArray[np.uint8]:
        """See `SdkImage.read`."""
        factor = int(self.downsamples[level])
        roi = (self._left + x * factor, self._top + y * factor, width * factor, height * factor)
        zoom = JUST_ABOVE / factor if factor > 1 else 1.0
        region: NDArray[np.uint8] = self._file.read(roi=roi, zoom=zoom, background_pixel=WHITE)[..., ::-1]
        return region


def _distance(axis: str) -> str:
    return f".//Scaling/Items/Distance[@Id='{axis}']/Value"


def _number(tree: ElementTree.Element, path: str) -> float:
    """A number of the metadata, or 0."""
    try:
        return float(tree.findtext(path) or 0)
    except ValueError:
        return 0.0
