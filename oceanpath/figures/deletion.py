"""Deletion and insertion curves: the score of slides from which patches were removed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from oceanpath.figures.canvas import GREY, PALETTE, drawing, heading


class Curve(NamedTuple):
    """The mean score of slides at each fraction of their patches, in the order of a map and in random order."""

    title: str
    x: str
    fractions: Sequence[float]
    ordered: Sequence[float]
    random: Sequence[float]


def draw_deletion(path: Path, curves: Sequence[Curve], order: str, y: str, title: str) -> None:
    """Draw one panel per curve; `order` names the scores by which patches are sorted, `y` the score of a slide."""
    with drawing(path, 0.4 + 3.0 * len(curves), 3.0) as figure:
        panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
        for axes, curve in zip(panels, curves, strict=True):
            axes.plot(curve.fractions, curve.random, color=GREY, linestyle="--", marker=".", label="random order")
            axes.plot(curve.fractions, curve.ordered, color=PALETTE[0], marker=".", label=f"by {order}")
            axes.set_title(curve.title)
            axes.set_xlabel(curve.x)
        panels[0].set_ylabel(y)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        heading(figure, title)
