"""Figures of an evaluation: ROC, precision-recall, probabilities and the confusion matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, colour, drawing, unit_square
from oceanpath.figures.lines import wrap

Floats = NDArray[np.float64]
DOTTED = (0, (2, 2))
LEGEND_LETTERS, TICK_LETTERS = 36, 11
"""Widths at which long names are wrapped, in units of the font size."""
PER_LINE = 0.17
"""Height of a line of a legend in inches."""


@dataclass(frozen=True)
class CurveLine:
    """One curve, with a band if `low` and `high` are given on the grid `band_x`."""

    name: str
    x: Floats
    y: Floats
    band_x: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None
    faint: bool = False
    """Whether to draw a thin grey line, for comparison."""


def draw_roc(path: Path, lines: Sequence[CurveLine], title: str = "", legend: str = "") -> None:
    """ROC curves with the chance diagonal; `legend` is the title of the legend."""
    with _square(path, lines, title, legend) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=DOTTED)
        _plot_lines(axes, lines, steps="default")
        unit_square(axes, "False positive rate (1 - specificity)", "True positive rate (sensitivity)")
        _legend(figure, axes, lines, legend)


def draw_pr(
    path: Path, lines: Sequence[CurveLine], prevalence: float | None = None, title: str = "", legend: str = ""
) -> None:
    """Precision-recall curves as steps; a dotted line marks the prevalence, the precision of a random classifier."""
    with _square(path, lines, title, legend) as (figure, axes):
        if prevalence is not None:
            axes.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=DOTTED)
            axes.annotate(f"prevalence {prevalence:.2f}", (0, prevalence), (2, 2), "data", "offset points", size=7)
        _plot_lines(axes, lines, steps="steps-pre")
        unit_square(axes, "Recall (sensitivity)", "Precision (positive predictive value)")
        _legend(figure, axes, lines, legend)


def draw_probabilities(path: Path, groups: Mapping[str, Floats], x: str, title: str = "") -> None:
    """Overlaid histograms of one probability, one per class. `groups`: true class → probabilities [n]."""
    edges = np.linspace(0, 1, 21).tolist()
    with drawing(path, height=2.8 + PER_LINE * len(groups)) as figure:
        axes = figure.add_subplot()
        for number, (name, scores) in enumerate(groups.items()):
            shade = colour(number)
            label = _wrapped(f"{name} (n = {len(scores)})", LEGEND_LETTERS)
            axes.hist(scores, edges, color=shade, alpha=0.35)
            axes.hist(scores, edges, color=shade, histtype="step", linewidth=1.4, label=label)
        axes.set(xlabel=_wrapped(x, LEGEND_LETTERS), ylabel="Slides", xlim=(0, 1))
        axes.locator_params(axis="y", integer=True)
        axes.set_title(title)
        figure.legend(loc="outside lower center", title="True class", title_fontsize=8)


def draw_confusion(path: Path, table: NDArray[np.int64], classes: Sequence[str], title: str = "") -> None:
    """Counts [C, C] with fractions of the true class; rows are true, columns are predicted classes."""
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= 6
    side = max(3.0, (0.62 if few else 0.42) * len(classes) + 1.4)
    with drawing(path, side + (0.3 if few else 0.7), side) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(table):
            shade = "white" if shares[row, column] > 0.55 else "black"
            text = f"{count}\n{shares[row, column]:.0%}" if few else f"{count}"
            axes.text(column, row, text, ha="center", va="center", color=shade).set_in_layout(False)
        ticks, names = range(len(classes)), [_wrapped(name, TICK_LETTERS) for name in classes]
        long = max(map(len, classes)) > 6 and len(classes) > 2
        axes.set_xticks(ticks, names, rotation=40 if long else 0, ha="right" if long else "center")
        axes.set_yticks(ticks, names)
        axes.set(xlabel="Predicted class (most probable)", ylabel="True class", title=title)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if not few:
            figure.colorbar(image, ax=axes, label="Share of the true class", shrink=0.8)


@contextmanager
def _square(path: Path, lines: Sequence[CurveLine], title: str, legend: str) -> Iterator[tuple[Figure, Axes]]:
    """A square plot with space for the lines of a legend below it."""
    height = 3.5 + PER_LINE * (len(lines) + bool(legend))
    with drawing(path, height=height) as figure:
        yield figure, figure.add_subplot(title=title)


def _plot_lines(axes: Axes, lines: Sequence[CurveLine], steps: str) -> None:
    """Draw the strong lines first, for the order of the legend, and the faint ones beneath them."""
    strong, faint = [line for line in lines if not line.faint], [line for line in lines if line.faint]
    for number, line in enumerate(strong):
        if line.band_x is not None and line.low is not None and line.high is not None:
            axes.fill_between(line.band_x, line.low, line.high, color=colour(number), alpha=0.18, linewidth=0)
        axes.plot(line.x, line.y, color=colour(number), label=line.name, drawstyle=steps, zorder=3)
    for line in faint:
        axes.plot(line.x, line.y, color=GREY, linewidth=1, label=line.name, drawstyle=steps)


def _legend(figure: Figure, axes: Axes, lines: Sequence[CurveLine], title: str) -> None:
    if lines:
        handles, names = axes.get_legend_handles_labels()
        labels = [_wrapped(name, LEGEND_LETTERS) for name in names]
        figure.legend(handles, labels, loc="outside lower center", title=title or None, title_fontsize=8)
    else:
        axes.text(0.5, 0.6, "undefined: only one class in these rows", ha="center", color=GREY)


def _wrapped(text: str, width: float) -> str:
    return "\n".join(wrap(text, width))
