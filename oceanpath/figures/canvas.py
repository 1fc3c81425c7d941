"""The paper all figures are drawn on: one look, one palette, PNG without a date or a version inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
"""Okabe and Ito (2008), safe for colour-blind readers, strongest contrast first."""
GREY = "#6E6E6E"
DPI = 200
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "savefig.dpi": DPI,
    "text.parse_math": False,  # names of slides and classes may hold dollar signs
}


@contextmanager
def drawing(path: Path, width: float = 3.6, height: float = 3.4) -> Iterator[Figure]:
    """A figure of width × height inches that is written to `path` as PNG when the block ends.

    A user's own matplotlib settings change nothing.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(path, format="png", metadata={"Software": None})


def colour(number: int) -> str:
    """The palette's colour for series `number`; it repeats after eight."""
    return PALETTE[number % len(PALETTE)]


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Label the axes and show [0, 1] × [0, 1] as a square with room for lines on the border."""
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def heading(figure: Figure, title: str, size: float = 9.0, smallest: float = 4.5) -> None:
    """A title over the whole figure, in letters small enough that long slide names are not cut off."""
    longest = max(map(len, title.splitlines()), default=0)
    room = float(figure.get_figwidth()) * 72 / (0.6 * max(longest, 1))  # a letter is about 0.6 of its size wide
    figure.suptitle(title, fontsize=min(size, max(room, smallest)))
