"""Predicted numbers against labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, PALETTE, drawing, heading

Floats = NDArray[np.float64]


def draw_agreement(path: Path, labels: Floats, predicted: Floats, texts: tuple[str, str]) -> None:
    """One point per row, and the line of equality; `texts` are the title and a line about the agreement."""
    title, agreement = texts
    low, high = float(min(labels.min(), predicted.min())), float(max(labels.max(), predicted.max()))
    margin = 0.03 * ((high - low) or 1.0)
    with drawing(path) as figure:
        axes = figure.subplots()
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.plot(labels, predicted, "o", color=PALETTE[0], markersize=3, alpha=0.5, markeredgewidth=0)
        limits = (low - margin, high + margin)
        axes.set(xlabel="Label", ylabel="Predicted", xlim=limits, ylim=limits, aspect="equal")
        axes.set_title(agreement, fontsize=7.5)
        heading(figure, title)
