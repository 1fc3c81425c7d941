"""Losses of a training by epoch, one panel per fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oceanpath.figures.canvas import GREY, PALETTE, drawing, heading

COLUMNS = 4


@dataclass(frozen=True)
class Losses:
    """One fold: losses by epoch (None if an epoch has none), and the epoch whose weights were kept."""

    name: str
    train: Sequence[float | None]
    val: Sequence[float | None]
    kept: int


def draw_learning(path: Path, folds: Sequence[Losses], title: str) -> None:
    """Training and validation loss of one or more folds; the epoch that was kept is marked. Epochs count from 1."""
    columns = min(COLUMNS, len(folds))
    rows = math.ceil(len(folds) / columns)
    with drawing(path, 0.6 + 1.9 * columns, 0.9 + 1.5 * rows) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
        for axes, fold in zip(panels, folds, strict=False):
            for name, losses, shade in (("training", fold.train, GREY), ("validation", fold.val, PALETTE[0])):
                ys = [math.nan if loss is None else loss for loss in losses]
                axes.plot(range(1, len(ys) + 1), ys, color=shade, label=f"{name} loss", linewidth=1.2)
            axes.axvline(fold.kept + 1, color=PALETTE[1], linewidth=1, linestyle=(0, (2, 2)), label="epoch kept")
            axes.set_title(f"{fold.name}: epoch {fold.kept + 1} of {len(fold.val)}", fontsize=7.5)
            axes.locator_params(axis="x", nbins=5, integer=True)
            axes.tick_params(labelsize=7)
        for number, axes in enumerate(figure.axes):
            if number >= len(folds):
                axes.axis("off")
            if number + columns >= len(folds):  # no panel below
                axes.set_xlabel("Epoch", fontsize=8)
            if number % columns == 0:
                axes.set_ylabel("Loss", fontsize=8)
        heading(figure, title)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
