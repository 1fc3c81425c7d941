"""Reliability diagrams: observed fractions as dots, and a smooth curve of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, PALETTE, drawing, unit_square
from oceanpath.figures.lines import wrap

Floats = NDArray[np.float64]
MIN_SIZE, MAX_SIZE = 12.0, 120.0
"""Areas of the dots of the bins with the fewest and the most rows, points²."""


@dataclass(frozen=True)
class Bins:
    """The non-empty bins of equal width on [0, 1]: [b] each, in order of probability."""

    centre: Floats
    predicted: Floats
    observed: Floats
    count: NDArray[np.int64]
    low: Floats
    """Interval of `observed`."""
    high: Floats


@dataclass(frozen=True)
class Smooth:
    """A curve of all rows and its name, or the reason why there is none."""

    name: str
    x: Floats | None = None
    y: Floats | None = None


@dataclass(frozen=True)
class CalibrationLabels:
    """Title and axis labels."""

    title: str
    probability: str
    share: str


def draw_calibration(path: Path, bins: Bins, smooth: Smooth, labels: CalibrationLabels) -> None:
    """Observed fraction against mean probability: one dot per bin, its area the number of rows, and a smooth curve.

    Args:
        path: The PNG to write.
        bins: The dots; their counts are drawn below.
        smooth: The curve.
        labels: Title and axis labels.
    """
    with drawing(path, height=4.6) as figure:
        axes, below = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), label="perfectly calibrated")
        _dots(axes, bins)
        if smooth.x is not None and smooth.y is not None:
            axes.plot(smooth.x, smooth.y, color=PALETTE[1], label=smooth.name, zorder=2)
        else:
            axes.plot([], [], linestyle="none", label="\n".join(wrap(smooth.name, 34)))
        unit_square(axes, "", "\n".join(wrap(labels.share, 34)))
        axes.set(aspect="auto", title=labels.title)
        bars = below.bar(bins.centre, bins.count, width=0.08, color=PALETTE[0])
        below.bar_label(bars, fontsize=6.5, padding=1)
        below.set(xlabel="\n".join(wrap(labels.probability, 38)), ylabel="Slides")
        below.margins(y=0.3)
        below.locator_params(axis="y", nbins=3, integer=True)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center")


def _dots(axes: Axes, bins: Bins) -> None:
    spread = np.stack([bins.observed - bins.low, bins.high - bins.observed]).clip(min=0)
    axes.errorbar(bins.predicted, bins.observed, spread, color=PALETTE[0], elinewidth=0.9, capsize=2, fmt="none")
    area = MIN_SIZE + (MAX_SIZE - MIN_SIZE) * bins.count / max(int(bins.count.max()), 1)
    label = "slides per bin (area: their number), Wilson interval"
    axes.scatter(bins.predicted, bins.observed, area, color=PALETTE[0], edgecolors="white", label=label, zorder=3)
