"""A sheet of patches: those with the largest and the smallest scores of a slide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.figures.canvas import drawing, heading

COLUMNS = 8
SIDE, CELL, LINE, TITLE = 192, 200, 232, 32
"""Pixels: side of a patch, width of a column, height of a line of patches with their scores, and of a title."""


class PatchRow(NamedTuple):
    """Patches of one kind."""

    title: str
    images: Sequence[NDArray[np.uint8]]
    """RGB [h, w, 3]."""
    scores: Sequence[float]


def draw_sheet(path: Path, rows: Sequence[PatchRow], title: str) -> None:
    """Write a PNG with one block of patches per row, each patch with its score."""
    heights = [TITLE + LINE * math.ceil(len(row.images) / COLUMNS) for row in rows]
    width, height = CELL * COLUMNS, sum(heights)
    paper = Image.new("RGB", (width, height), "white")  # one image: many axes take seconds to arrange
    with drawing(path, 8.0, 0.5 + 8.0 * height / width, vector=False) as figure:
        axes = figure.subplots()
        for row, top in zip(rows, np.cumsum([0, *heights[:-1]]), strict=True):
            axes.text(0, top + TITLE / 2, row.title, fontsize=8, va="center")
            for number, (pixels, score) in enumerate(zip(row.images, row.scores, strict=True)):
                x, y = number % COLUMNS * CELL, int(top) + TITLE + number // COLUMNS * LINE
                paper.paste(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
                axes.text(x + SIDE / 2, y + SIDE + 4, f"{score:+.3g}", fontsize=7, ha="center", va="top")
        axes.imshow(paper, interpolation="antialiased")
        axes.axis("off")
        heading(figure, title)
