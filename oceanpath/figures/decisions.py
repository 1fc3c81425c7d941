"""The decision curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from oceanpath.figures.canvas import GREY, colour, drawing, heading


def draw_decision_curve(path: Path, curve: Mapping[str, Sequence[float] | None], title: str) -> None:
    """Draw the net benefit of the model, with its band, next to deciding on everybody and on nobody.

    Args:
        path: The PNG to write.
        curve: thresholds, model and all [t], and low and high [t] or None.
        title: Of the figure.
    """
    thresholds, model, everybody = (np.asarray(curve[name], np.float64) for name in ("thresholds", "model", "all"))
    with drawing(path, 4.2, 3.4) as figure:
        axes = figure.subplots()
        if curve["low"] is not None and curve["high"] is not None:
            axes.fill_between(thresholds, curve["low"], curve["high"], color=colour(0), alpha=0.2, linewidth=0)
        axes.plot(thresholds, model, color=colour(0), label="model")
        axes.plot(thresholds, everybody, color=colour(1), linestyle="--", label="all positive")
        axes.axhline(0, color=GREY, linewidth=0.8, label="none positive")
        top = max(float(model.max()), float(everybody.max()), 0.05)
        axes.set(xlabel="Risk threshold", ylabel="Net benefit", xlim=(0, 1), ylim=(-0.25 * top, 1.1 * top))
        axes.legend()
        heading(figure, title)
