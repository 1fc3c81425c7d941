"""Kept and discarded patches of slides: a map each, the worst side by side, and all in one summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, drawing

COLOURS = np.array([[255, 255, 255], [239, 68, 68], [34, 197, 94]], np.uint8)
"""Nothing, discarded, kept."""
SMALLEST, LARGEST = 256, 2048
"""Pixels of the longer side of a map."""


class Map(NamedTuple):
    """One slide of a montage: its name, the share of its patches that is kept, and its picture [h, w, 3] uint8."""

    name: str
    percent: float
    picture: NDArray[np.uint8]


def coverage_picture(coords: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """[h, w, 3] uint8: a square a patch, green where `kept` [N], red where not; `coords` [N, 2] are level-0 pixels.

    Patches closer than a pixel of the picture share one, which is red when any of them is discarded.
    """
    low = coords.min(axis=0).astype(np.int64)
    stride = max(_stride(coords), math.ceil(int((coords.max(axis=0) - low).max()) / (LARGEST - 1)), 1)
    columns, lines = ((coords.astype(np.int64) - low) // stride).T
    cells = np.zeros((int(lines.max()) + 1, int(columns.max()) + 1), np.uint8)
    cells[lines[kept], columns[kept]] = 2
    cells[lines[~kept], columns[~kept]] = 1
    side = max(1, SMALLEST // max(cells.shape))
    picture: NDArray[np.uint8] = COLOURS[cells.repeat(side, axis=0).repeat(side, axis=1)]
    return picture


def draw_coverage(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write one map as PNG."""
    imsave(path, picture, format="png", metadata={"Software": None})  # type: ignore[dict-item]  # None leaves it out


def draw_montage(path: Path, maps: Sequence[Map], columns: int = 5) -> None:
    """One or more maps side by side, each under its name and the share of its patches that is kept."""
    columns = min(columns, len(maps))
    lines = math.ceil(len(maps) / columns)
    with drawing(path, 1.9 * columns, 2.1 * lines) as figure:
        for number, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
            axes.axis("off")
            if number < len(maps):
                name, percent, picture = maps[number]
                axes.imshow(picture, interpolation="nearest")
                axes.set_title(f"{name if len(name) <= 24 else name[:23] + '…'}\n{percent:.1f} % kept", fontsize=6)


def draw_summary(path: Path, percents: NDArray[np.float64]) -> None:
    """How many slides keep which share of their patches; `percents` [slides] lie in (0, 100]."""
    with drawing(path, 4.2, 2.8) as figure:
        axes = figure.subplots()
        axes.hist(percents, bins=list(range(0, 101, 5)), color=tuple(COLOURS[2] / 255))
        middle = float(np.median(percents))
        axes.axvline(middle, color=GREY, linestyle="--", label=f"median {middle:.1f} %")
        axes.set(xlabel="Patches kept [%]", ylabel="Slides", xlim=(0, 100))
        axes.legend()


def _stride(coords: NDArray[np.int32]) -> int:
    """The most common distance of neighbouring columns, else of lines, else 256."""
    for axis in (0, 1):
        steps = np.diff(np.unique(coords[:, axis]).astype(np.int64))
        if len(steps):
            values, counts = np.unique(steps, return_counts=True)
            return int(values[counts.argmax()])
    return 256
