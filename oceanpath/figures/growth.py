"""Cost against size: one line per model, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import NullFormatter, StrMethodFormatter

from oceanpath.figures.canvas import colour, drawing

Points = Sequence[tuple[float, float]]

MARKS = "os^Dvp*X<>"


def draw_growth(path: Path, panels: Mapping[str, Mapping[str, Points]], x: str) -> None:
    """Panels in a row: label of the y axis → name of a line → its (x, y) points, all above 0."""
    with drawing(path, width=3.6 * len(panels), height=3.8) as figure:
        for axes, (label, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for number, (name, points) in enumerate(lines.items()):
                if points:
                    xs, ys = zip(*points, strict=True)
                    mark = MARKS[number % len(MARKS)]
                    axes.plot(xs, ys, color=colour(number), label=name, marker=mark, markersize=4)
            axes.set(xscale="log", yscale="log", xlabel=x, ylabel=label)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.set_minor_formatter(NullFormatter())
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=6.5)
