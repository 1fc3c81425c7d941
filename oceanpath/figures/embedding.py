"""Slides as points: colour for the label, marker for the role."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, colour, drawing, heading
from oceanpath.figures.lines import wrap

MARKERS = {"train": ".", "val": "^", "test": "o"}
SIZES = {"train": 10, "val": 16, "test": 18}
NAMES = {"train": "training", "val": "validation", "test": "test"}
COLUMNS = 3


class EmbeddingPanel(NamedTuple):
    """The slides of one panel."""

    title: str
    xy: NDArray[np.floating]
    """[n, 2]; the axes have no unit."""
    labels: Sequence[str]
    """[n] class names."""
    roles: Sequence[str]
    """[n] train, val or test; test slides are drawn on top."""
    classes: Sequence[str]
    """In the order of their colours; the same for all panels."""


def draw_embeddings(path: Path, panels: Sequence[EmbeddingPanel], axis: str, title: str) -> None:
    """Draw one scatter plot per panel; `axis` is the name of both axes, without their number."""
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    side = 4.2 if columns == 1 else 2.7
    classes = panels[0].classes
    with drawing(path, side * columns, side * 0.85 * rows + 0.3 + 0.17 * max(len(classes), len(MARKERS))) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, panels, strict=False):
            _scatter(axes, panel)
            axes.set(xlabel=f"{axis} 1", ylabel=f"{axis} 2", xticks=[], yticks=[])
            axes.set_title(panel.title, fontsize=8)
        for axes in figure.axes[len(panels) :]:
            axes.axis("off")
        heading(figure, title)
        present = [role for role in MARKERS if any(role in panel.roles for panel in panels)]
        names = [_dot(colour(number), "o", "\n".join(wrap(name, 30))) for number, name in enumerate(classes)]
        figure.legend(handles=names, loc="outside lower left")
        parts = [_dot(GREY, MARKERS[role], NAMES[role]) for role in present]
        figure.legend(handles=parts, loc="outside lower right")


def _scatter(axes: Axes, panel: EmbeddingPanel) -> None:
    label_array, role_array = np.asarray(panel.labels), np.asarray(panel.roles)
    larger = float(np.clip(300 / max(len(panel.xy), 1), 1, 3))  # few points may be larger
    for role, marker in MARKERS.items():
        for number, name in enumerate(panel.classes):
            points = panel.xy[(label_array == name) & (role_array == role)]
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=larger * SIZES[role],
                color=colour(number),
                marker=marker,
                alpha=0.9 if role == "test" else 0.45,
                edgecolors="white" if role == "test" else "none",
                linewidths=0.4,
            )


def _dot(shade: str, marker: str, name: str) -> Line2D:
    return Line2D([], [], color=shade, marker=marker, linestyle="none", markersize=5, label=name)
