"""The image of the scores of patches in memory; see `oceanpath.artifacts.score_images`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.patch_scores import PatchScores
from oceanpath.errors import ArtifactError

PIXELS_PER_PATCH = 8
"""Smallest width and height of a patch in pixels."""
SMALLEST_LEVEL = 256
"""Longest side of the lowest level, in pixels."""
Image = NDArray[np.float32]
"""[C, H, W], NaN where there is no patch."""


@dataclass(frozen=True)
class SlidePlane:
    """The plane of level 0 of a slide."""

    mpp: tuple[float, float]
    """Micrometres per pixel along x and y."""
    size: tuple[int, int] | None = None
    """Width and height in pixels; None if unknown, and images then end with the patches."""
    file: Path | None = None
    """The slide itself; None if only its features are known."""


@dataclass(frozen=True)
class ScoreImage:
    """The scores of the patches of one slide as an image."""

    slide_id: str
    names: tuple[str, ...]
    """Names of the scores, one per channel."""
    values: Image
    downsample: int
    """Level-0 pixels per pixel."""
    plane: SlidePlane

    @property
    def pixel_um(self) -> tuple[float, float]:
        """Width and height of a pixel in micrometres."""
        x, y = self.plane.mpp
        return x * self.downsample, y * self.downsample

    def lower_levels(self) -> list[Image]:
        """Images of half the size of the previous one, until the longest side has at most `SMALLEST_LEVEL` pixels."""
        levels, image = [], self.values
        while max(image.shape[1:]) > SMALLEST_LEVEL:
            image = _halved(image)
            levels.append(image)
        return levels


def image_of(patches: PatchScores, plane: SlidePlane) -> ScoreImage:
    """The image of patches [n] over the slide.

    Raises: ArtifactError: as `PatchScores.validate`, or a patch is outside of the slide.
    """
    patches.validate()
    downsample = 2 ** max(0, math.floor(math.log2(min(patches.footprint) / PIXELS_PER_PATCH)))
    corners = np.asarray(patches.coords, np.float64)
    ends = corners + patches.footprint
    width, height = plane.size or ends.max(axis=0, initial=1.0)
    if (corners < 0).any() or (corners >= (width, height)).any():
        raise ArtifactError(
            "a patch is outside of the slide", where=patches.slide_id, expected=f"{width:g} x {height:g} pixels"
        )
    shape = (math.ceil(height / downsample), math.ceil(width / downsample))
    # the centre of pixel i is at (i + 0.5) · downsample
    columns, rows = (
        np.ceil(np.stack([corners[:, axis], ends[:, axis]]) / downsample - 0.5).astype(np.int64) for axis in (0, 1)
    )
    names = tuple(patches.scores)
    values = _painted(np.stack([patches.scores[name] for name in names]), rows, columns, shape)
    return ScoreImage(patches.slide_id, names, values, downsample, plane)


def _painted(
    scores: NDArray[np.floating], rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> Image:
    """The mean of the scores [C, n] of the patches that cover each pixel; `rows` and `columns` are [2, n] limits."""
    sums, counts = np.zeros((len(scores), *shape)), np.zeros(shape, np.int32)
    for number, (top, bottom, left, right) in enumerate(zip(*rows.tolist(), *columns.tolist(), strict=True)):
        sums[:, top:bottom, left:right] += scores[:, number, None, None]
        counts[top:bottom, left:right] += 1
    return _means(sums, counts)


def _halved(image: Image) -> Image:
    """The means of 2 x 2 pixels, of those that have a score."""
    channels, height, width = image.shape
    padding = ((0, 0), (0, height % 2), (0, width % 2))
    padded = np.pad(image, padding, constant_values=np.nan)
    squares = padded.reshape(channels, padded.shape[1] // 2, 2, padded.shape[2] // 2, 2)
    is_score = np.isfinite(squares)
    return _means(np.where(is_score, squares, 0.0).sum(axis=(2, 4), dtype=np.float64), is_score.sum(axis=(2, 4)))


def _means(sums: NDArray[np.float64], counts: NDArray[np.integer]) -> Image:
    """The quotients as float32; NaN for a count of 0."""
    with np.errstate(invalid="ignore"):
        means: Image = (sums / counts).astype(np.float32)
    return means
