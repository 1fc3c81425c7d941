"""Tissue detection: distance from the colour of the glass in Lab, with one threshold per slide.

Otsu's threshold (Otsu 1979) is clipped to a range of Lab distances, so that a slide without tissue stays empty and a
slide full of tissue stays full. The reference is the glass of the slide itself, also if it is grey or tinted. For faded
stains the range is scaled down with the contrast to the glass, as long as that contrast exceeds uneven illumination.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.slides.colour import rgb_to_lab
from oceanpath.slides.ink import find_ink, without_small
from oceanpath.slides.reader import SlideReader

MASK_MPP = 8.0
"""Micrometres per mask pixel, for patches at least 16 mask pixels wide."""
THRESHOLDS = (7.0, 12.0)
LEAST_THRESHOLD = 3.0
"""Minimum for faded stains, above camera noise and uneven illumination."""
STAINED = 25.0
"""Median Lab distance of tissue in an unfaded stain; 30 to 50 in most slides."""
LIGHTNESS_WEIGHT = 0.6
"""Illumination changes lightness more than colour."""
FALLBACK_GLASS = np.array([95.0, 0.0, 0.0], np.float32)
FALLBACK_RGB = np.array([241.0, 241.0, 241.0])
"""The same colour."""
SMOOTH = 1.0
"""Lab units per pixel: glass has no texture at 8 µm per pixel, tissue has."""
GLASS_SHARE = 0.005
SMALLEST_TISSUE_MM2 = 0.01
LARGEST_HOLE_MM2 = 0.02


@dataclass(frozen=True)
class Tissue:
    """A tissue mask over the whole slide."""

    mask: NDArray[np.bool_]
    """[h, w]; its edges are the edges of the slide."""
    scale_x: float
    """Level-0 pixels per mask pixel."""
    scale_y: float
    source: str = "auto"
    """`auto` if it was detected, otherwise the suffix of the annotation file."""
    origin: str = ""
    """`bounds` if the coordinates of the file start at the corner of the scanned area."""
    ink: NDArray[np.bool_] | None = None
    """[h, w], pen and frame, which are left out; None if they were not detected."""

    @property
    def share(self) -> float:
        """Fraction of the slide that is tissue, 0 to 1."""
        return float(self.mask.mean())

    @property
    def ink_share(self) -> float:
        """Fraction of the slide that is pen or frame, 0 to 1."""
        return 0.0 if self.ink is None else float(self.ink.mean())


def find_tissue(reader: SlideReader, patch_um: float) -> Tissue:
    """The tissue of a slide, detected on an overview; see `mask_size`."""
    width, height = mask_size(reader, patch_um)
    rgb = reader.overview(width, height)
    scale_x, scale_y = reader.width / width, reader.height / height
    mask, ink = tissue_mask(rgb, scale_x * reader.mpp.x * scale_y * reader.mpp.y * 1e-6)
    return Tissue(mask, scale_x, scale_y, ink=ink)


def mask_size(reader: SlideReader, patch_um: float) -> tuple[int, int]:
    """Width and height of a mask at 8 µm per pixel, or finer for patches narrower than 128 µm."""
    mpp = min(MASK_MPP, patch_um / 16)
    return max(1, round(reader.width * reader.mpp.x / mpp)), max(1, round(reader.height * reader.mpp.y / mpp))


def tissue_mask(rgb: NDArray[np.uint8], pixel_mm2: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Tissue and ink in an overview.

    Args:
        rgb: [h, w, 3], about 8 µm per pixel.
        pixel_mm2: Area of a pixel, for the sizes of specks and holes.

    Returns: [h, w] and [h, w], True for tissue and for ink; never both.
    """
    lab = rgb_to_lab(rgb)
    glass = glass_pixels(lab)
    reference = FALLBACK_GLASS if glass is None else np.median(lab[glass], axis=0)
    ink = find_ink(rgb, FALLBACK_RGB if glass is None else np.median(rgb[glass], axis=0), pixel_mm2)
    distance = _distance(lab, reference)
    low, high = np.array(THRESHOLDS) * _strength(distance[~ink])
    mask = without_small((distance > np.clip(_otsu(distance), low, high)) & ~ink, SMALLEST_TISSUE_MM2 / pixel_mm2)
    return ~without_small(~mask, LARGEST_HOLE_MM2 / pixel_mm2) & ~ink, ink


def glass_pixels(lab: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Bright pixels without texture, [h, w]; None if an overview shows no glass."""
    slopes = [np.abs(np.gradient(lab, axis=axis)).max(axis=2) for axis in (0, 1) if lab.shape[axis] > 1]
    smooth = np.maximum.reduce(slopes) < SMOOTH if slopes else np.ones(lab.shape[:2], bool)
    if smooth.mean() < GLASS_SHARE:
        return None
    lightness = lab[..., 0]
    bright = smooth & (lightness >= np.percentile(lightness[smooth], 95) - 4)
    return bright if bright.mean() >= GLASS_SHARE else None


def _distance(lab: NDArray[np.float32], glass: NDArray[np.float32]) -> NDArray[np.float32]:
    delta = lab - glass
    delta[..., 0] *= LIGHTNESS_WEIGHT
    distance: NDArray[np.float32] = np.sqrt((delta * delta).sum(axis=2))
    return distance


def _strength(distance: NDArray[np.float32]) -> float:
    """Strength of the stain relative to an unfaded one, at most 1; also 1 if nothing has the contrast of tissue."""
    contrast = distance[distance > LEAST_THRESHOLD]
    typical = float(np.median(contrast)) if len(contrast) else 0.0
    faded = typical >= THRESHOLDS[0]
    return min(1.0, max(typical / STAINED, LEAST_THRESHOLD / THRESHOLDS[0])) if faded else 1.0


def _otsu(distance: NDArray[np.float32]) -> float:
    """Otsu's threshold; the largest of `THRESHOLDS` if there is only one class."""
    counts, edges = np.histogram(np.minimum(distance, 63.0), bins=256, range=(0.0, 64.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    moment = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):  # empty classes give 0/0, which nanargmax ignores
        between = (moment[-1] * below - moment * total) ** 2 / (below * (total - below))
    return float(centres[np.nanargmax(between)]) if np.isfinite(between).any() else THRESHOLDS[1]
