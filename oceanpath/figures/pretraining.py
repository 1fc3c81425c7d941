"""Monitors of a pretraining by optimiser step, one panel each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from oceanpath.figures.canvas import GREY, PALETTE, drawing, heading

COLUMNS = 4
TITLES = {
    "rankme": "RankMe",
    "alpha_req": "alpha-ReQ",
    "lidar": "LiDAR",
    "std": "Std per dimension",
    "mean_cosine": "Mean cosine",
    "alignment": "Alignment",
    "uniformity": "Uniformity",
    "neighbour_consistency": "Own view is nearest",
}
"""Monitor → title of its panel."""


def draw_monitors(path: Path, rows: Sequence[Mapping[str, float | None]], best: int, title: str) -> None:
    """Losses and monitors of all evaluations; the step whose weights were kept is marked."""
    count = 1 + len(TITLES)
    lines = math.ceil(count / COLUMNS)
    with drawing(path, 0.6 + 1.9 * COLUMNS, 0.9 + 1.5 * lines, vector=False) as figure:
        panels = figure.subplots(lines, COLUMNS, squeeze=False).flat
        for name, shade in (("train_loss", GREY), ("val_loss", PALETTE[0])):
            panels[0].plot(_steps(rows), _values(rows, name), color=shade, linewidth=1.2, label=name.replace("_", " "))
        panels[0].legend(fontsize=6.5)
        panels[0].set_title("Loss", fontsize=7.5)
        for axes, (name, label) in zip(panels[1:], TITLES.items(), strict=False):
            axes.plot(_steps(rows), _values(rows, name), color=PALETTE[0], linewidth=1.2)
            axes.set_title(label, fontsize=7.5)
        for number, axes in enumerate(panels):
            if number >= count:
                axes.axis("off")
                continue
            axes.axvline(best, color=PALETTE[1], linewidth=1, linestyle=(0, (2, 2)))
            axes.locator_params(axis="x", nbins=4, integer=True)
            axes.tick_params(labelsize=6.5)
            if number + COLUMNS >= count:
                axes.set_xlabel("Step", fontsize=8)
        heading(figure, title)


def _steps(rows: Sequence[Mapping[str, float | None]]) -> list[float]:
    return _values(rows, "step")


def _values(rows: Sequence[Mapping[str, float | None]], name: str) -> list[float]:
    return [math.nan if (value := row.get(name)) is None else value for row in rows]
