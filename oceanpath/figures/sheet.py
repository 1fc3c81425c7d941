"""A sheet of patches: those with the largest and the smallest scores of a slide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.figures.canvas import drawing, heading

COLUMNS = 8


class PatchRow(NamedTuple):
    """Patches of one kind."""

    title: str
    images: Sequence[NDArray[np.uint8]]
    """RGB [h, w, 3]."""
    scores: Sequence[float]


def draw_sheet(path: Path, rows: Sequence[PatchRow], title: str) -> None:
    """Write a PNG with one block of patches per row, each patch with its score."""
    lines = [math.ceil(len(row.images) / COLUMNS) for row in rows]
    with drawing(path, 0.2 + 1.0 * COLUMNS, 0.4 + 0.25 * len(rows) + 1.2 * sum(lines), vector=False) as figure:
        blocks = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=lines)[:, 0]
        for block, row, count in zip(blocks, rows, lines, strict=True):
            block.suptitle(row.title, x=0.01, ha="left", fontsize=8)
            panels = block.subplots(count, COLUMNS, squeeze=False).flat
            for axes in panels:
                axes.set(xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
            for axes, image, score in zip(block.axes, row.images, row.scores, strict=False):
                axes.imshow(image, interpolation="antialiased")
                axes.set_xlabel(f"{score:+.3g}", fontsize=7)
        heading(figure, title)
