"""The canvas of all figures: one style, one palette; PNG, PDF and SVG without date or version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from oceanpath.figures.fonts import make_readable
from oceanpath.figures.lines import width_of, wrap

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
    "pdf.fonttype": 42,
    "svg.hashsalt": "oceanpath",
    "text.parse_math": False,
}
"""Text in a PDF remains text; names of elements in an SVG are deterministic; a $ in a name is drawn as such."""
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
}
MARGIN = 0.96


@contextmanager
def drawing(path: Path, width: float = 3.6, height: float = 3.4, vector: bool = True) -> Iterator[Figure]:
    """A figure of width × height inches, written at the end of the block to `path` (PNG), and as PDF and SVG.

    Args:
        path: The PNG to write.
        width: In inches.
        height: In inches.
        vector: Whether PDF and SVG are written too.

    Matplotlib settings of the user have no effect.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        if make_readable(figure):
            matplotlib.rcParams["pdf.fonttype"] = 3  # outlines: an OpenType font cannot be embedded as type 42
        for suffix in METADATA if vector else ("png",):
            file = path if suffix == "png" else path.with_suffix(f".{suffix}")
            figure.savefig(file, format=suffix, metadata=METADATA[suffix])


def colour(number: int) -> str:
    """The colour of series `number`; colours repeat after eight."""
    return PALETTE[number % len(PALETTE)]


def unit_square(axes: Axes, x: str, y: str) -> None:
    """Label the axes and show [0, 1] × [0, 1] as a square with a margin for lines on its border."""
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def heading(figure: Figure, title: str, size: float = 9.0, smallest: float = 6.5) -> None:
    """A title of the whole figure. Long lines are set in a smaller font, and then wrapped."""
    points = float(figure.get_figwidth()) * 72 * MARGIN
    longest = max(map(width_of, title.splitlines()), default=0.0)
    size = min(size, max(points / max(longest, 1.0), smallest))
    figure.suptitle("\n".join(wrap(title, points / size)), fontsize=size)
