"""Kept and discarded patches: one map per slide, a montage of the slides with the lowest coverage, and a summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, drawing, heading
from oceanpath.figures.scale_bar import scale_bar

COLOURS = np.array([[255, 255, 255], [239, 68, 68], [34, 197, 94]], np.uint8)
"""Colours of background, discarded patches, kept patches."""
MIN_SIZE, MAX_SIZE = 256, 2048
"""Minimum and maximum of the longer side of a map in pixels."""


@dataclass(frozen=True)
class Map:
    """Kept and discarded patches of one slide."""

    name: str
    kept: int
    total: int
    picture: NDArray[np.uint8]
    """[h, w, 3]: one square per patch."""
    pixel: float
    """Side of a pixel of the picture, level-0 pixels."""
    mpp: float | None = None
    """Micrometres per level-0 pixel; None if it is unknown."""

    @property
    def percent(self) -> float:
        """Kept patches in percent."""
        return 100.0 * self.kept / self.total


def coverage_map(name: str, coords: NDArray[np.int32], kept: NDArray[np.bool_], mpp: float | None = None) -> Map:
    """One square per patch, green if `kept` [N], otherwise red; `coords` [N, 2] are level-0 pixels.

    Patches closer than a pixel of the picture share one, which is red if any of them is discarded.
    """
    low = coords.min(axis=0).astype(np.int64)
    farthest = int((coords.max(axis=0).astype(np.int64) - low).max())
    stride = max(_stride(coords), math.ceil(farthest / (MAX_SIZE - 1)), 1)
    columns, lines = ((coords.astype(np.int64) - low) // stride).T
    cells = np.zeros((int(lines.max()) + 1, int(columns.max()) + 1), np.uint8)
    cells[lines[kept], columns[kept]] = 2
    cells[lines[~kept], columns[~kept]] = 1
    side = max(1, MIN_SIZE // max(cells.shape))
    picture: NDArray[np.uint8] = COLOURS[cells.repeat(side, axis=0).repeat(side, axis=1)]
    return Map(name, int(kept.sum()), len(kept), picture, stride / side, mpp)


def draw_coverage(path: Path, slide: Map) -> None:
    """Write one map, only as PNG, with title, legend and scale bar: a cohort has thousands of them."""
    high, wide = slide.picture.shape[:2]
    width = 4.6
    with drawing(path, width, max(1.6, width * high / wide) + 0.9, vector=False) as figure:
        axes = figure.subplots()
        axes.axis("off")
        axes.imshow(slide.picture, interpolation="nearest")
        heading(figure, f"{slide.name}\n{slide.kept} of {slide.total} patches kept ({slide.percent:.1f} %)")
        discarded = slide.total - slide.kept
        labels = (f"kept ({slide.kept})", f"discarded ({discarded})")[: 1 + bool(discarded)]
        keys = [
            Patch(color=tuple(COLOURS[code] / 255), label=label) for code, label in zip((2, 1), labels, strict=False)
        ]
        figure.legend(handles=keys, loc="outside lower left", ncols=2)
        length, label = scale_bar(wide * slide.pixel, slide.mpp)
        bar = length / slide.pixel
        axes.plot([wide - bar, wide], [high * 1.03 + 2] * 2, color="black", linewidth=2, clip_on=False)
        axes.annotate(label, (wide - bar / 2, high * 1.03 + 2), (0, -9), "data", "offset points", ha="center", va="top")


def draw_montage(path: Path, maps: Sequence[Map], columns: int = 5) -> None:
    """A montage of one or more maps, each with its name and the percentage of patches kept."""
    columns = min(columns, len(maps))
    lines = math.ceil(len(maps) / columns)
    with drawing(path, 1.9 * columns, 2.1 * lines) as figure:
        for number, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
            axes.axis("off")
            if number < len(maps):
                slide = maps[number]
                axes.imshow(slide.picture, interpolation="nearest")
                name = slide.name if len(slide.name) <= 24 else slide.name[:23] + "…"
                axes.set_title(f"{name}\n{slide.percent:.1f} % kept", fontsize=6)


def draw_summary(path: Path, percents: NDArray[np.float64]) -> None:
    """Histogram of the percentages of patches kept; `percents` [slides] are in (0, 100]."""
    with drawing(path, 4.2, 2.8) as figure:
        axes = figure.subplots()
        axes.hist(percents, bins=list(range(0, 101, 5)), color=tuple(COLOURS[2] / 255))
        middle = float(np.median(percents))
        axes.axvline(middle, color=GREY, linestyle="--", label=f"median {middle:.1f} %")
        axes.set(xlabel="Patches kept [%]", ylabel="Slides", xlim=(0, 100))
        axes.legend()


def _stride(coords: NDArray[np.int32]) -> int:
    """The most common distance of neighbouring columns, or of rows, or 256."""
    for axis in (0, 1):
        steps = np.diff(np.unique(coords[:, axis]).astype(np.int64))
        if len(steps):
            values, counts = np.unique(steps, return_counts=True)
            return int(values[counts.argmax()])
    return 256
