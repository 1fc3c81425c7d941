"""Figures of an evaluation: ROC, precision-recall, calibration, probabilities and the confusion table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, PALETTE, colour, drawing, unit_square

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One curve, with a band around it when `low` and `high` are given on the grid `band_x`."""

    name: str
    x: Floats
    y: Floats
    band_x: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None
    faint: bool = False
    """A thin grey line: something to compare with."""


@dataclass(frozen=True)
class Bins:
    """A reliability diagram: [b] each, `low` and `high` None without a band."""

    predicted: Floats
    observed: Floats
    count: NDArray[np.int64]
    low: Floats | None = None
    high: Floats | None = None


def draw_roc(path: Path, lines: Sequence[Line], title: str = "") -> None:
    """ROC curves with the diagonal of chance."""
    with drawing(path) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        _plot_lines(axes, lines, steps="default")
        unit_square(axes, "False positive rate (1 - specificity)", "True positive rate (sensitivity)")
        axes.set_title(title)
        _legend(axes, lines, "lower right")


def draw_pr(path: Path, lines: Sequence[Line], prevalence: float | None = None, title: str = "") -> None:
    """Precision-recall curves as steps; a dotted line marks the prevalence, the precision of chance."""
    with drawing(path) as figure:
        axes = figure.add_subplot()
        if prevalence is not None:
            axes.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        _plot_lines(axes, lines, steps="steps-pre")
        unit_square(axes, "Recall (sensitivity)", "Precision (positive predictive value)")
        axes.set_title(title)
        _legend(axes, lines, "lower left")


def draw_calibration(path: Path, bins: Bins, x: str, y: str, title: str = "") -> None:
    """Observed share against mean probability, with the slides in each bin below.

    Args:
        path: The PNG to write.
        bins: In order of probability.
        x: What the probability is of.
        y: What share is observed.
        title: Above the picture.
    """
    with drawing(path, height=4.2) as figure:
        axes, below = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        if bins.low is not None and bins.high is not None:
            spread = np.stack([bins.observed - bins.low, bins.high - bins.observed]).clip(min=0)
            axes.errorbar(bins.predicted, bins.observed, spread, color=PALETTE[0], elinewidth=1, capsize=2, fmt="none")
        axes.plot(bins.predicted, bins.observed, color=PALETTE[0], marker="o", markersize=4)
        unit_square(axes, "", y)
        axes.set(title=title, aspect="auto")
        below.bar(bins.predicted, bins.count, width=0.03, color=PALETTE[0])
        below.set(xlabel=x, ylabel="Slides")
        below.locator_params(axis="y", nbins=3, integer=True)


def draw_probabilities(path: Path, groups: Mapping[str, Floats], x: str, title: str = "") -> None:
    """Histograms of one probability, a class over the other. `groups`: true class → probabilities [n]."""
    edges = np.linspace(0, 1, 21).tolist()
    with drawing(path, height=2.8) as figure:
        axes = figure.add_subplot()
        for number, (name, scores) in enumerate(groups.items()):
            shade = colour(number)
            label = f"{name} (n = {len(scores)})"
            axes.hist(scores, edges, color=shade, alpha=0.35)
            axes.hist(scores, edges, color=shade, histtype="step", linewidth=1.4, label=label)
        axes.set(xlabel=x, ylabel="Slides", xlim=(0, 1), title=title)
        axes.legend(title="True class", title_fontsize=8)


def draw_confusion(path: Path, table: NDArray[np.int64], classes: Sequence[str], title: str = "") -> None:
    """Counts [C, C] with shares of the true class; rows are true, columns are decided."""
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = max(3.2, (0.62 if len(classes) <= 6 else 0.42) * len(classes) + 1.4)
    with drawing(path, side + 0.4, side) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(table):
            shade = "white" if shares[row, column] > 0.55 else "black"
            text = f"{count}\n{shares[row, column]:.0%}" if len(classes) <= 6 else f"{count}"
            axes.text(column, row, text, ha="center", va="center", color=shade).set_in_layout(False)
        ticks = range(len(classes))
        long = max(map(len, classes)) > 6 and len(classes) > 2
        axes.set_xticks(ticks, classes, rotation=40 if long else 0, ha="right" if long else "center")
        axes.set_yticks(ticks, classes)
        axes.set(xlabel="Decided class", ylabel="True class", title=title)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        figure.colorbar(image, ax=axes, label="Share of the true class", shrink=0.8)


def _plot_lines(axes: Axes, lines: Sequence[Line], steps: str) -> None:
    """The strong lines first, so that the legend names them first, with the faint ones underneath."""
    strong, faint = [one for one in lines if not one.faint], [one for one in lines if one.faint]
    for number, line in enumerate(strong):
        if line.band_x is not None and line.low is not None and line.high is not None:
            axes.fill_between(line.band_x, line.low, line.high, color=colour(number), alpha=0.18, linewidth=0)
        axes.plot(line.x, line.y, color=colour(number), label=line.name, drawstyle=steps, zorder=3)
    for line in faint:
        axes.plot(line.x, line.y, color=GREY, linewidth=1, label=line.name, drawstyle=steps)


def _legend(axes: Axes, lines: Sequence[Line], place: Literal["lower left", "lower right"]) -> None:
    if lines:
        axes.legend(loc=place)
    else:
        axes.text(0.5, 0.6, "undefined: the rows hold one class only", ha="center", color=GREY)
