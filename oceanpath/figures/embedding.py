"""Slides as points: colour for the label, marker for the role."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from oceanpath.figures.canvas import GREY, colour, drawing, heading
from oceanpath.figures.lines import wrap

MARKERS = {"train": ".", "val": "^", "test": "o"}
SIZES = {"train": 10, "val": 16, "test": 18}
NAMES = {"train": "training", "val": "validation", "test": "test"}


def draw_embedding(
    path: Path,
    xy: NDArray[np.floating],
    labels: Sequence[str],
    roles: Sequence[str],
    classes: Sequence[str],
    title: str,
) -> None:
    """A scatter plot of slides.

    Args:
        path: The PNG to write.
        xy: [n, 2]; the axes have no unit.
        labels: [n] class names.
        roles: [n] train, val or test; test slides are drawn on top.
        classes: In the order of their colours.
        title: Title of the figure.
    """
    label_array, role_array = np.asarray(labels), np.asarray(roles)
    larger = float(np.clip(300 / max(len(xy), 1), 1, 3))  # few points may be larger
    with drawing(path, 4.2, 3.8 + 0.17 * max(len(classes), len(MARKERS))) as figure:
        axes = figure.add_subplot()
        for role, marker in MARKERS.items():
            for number, name in enumerate(classes):
                points = xy[(label_array == name) & (role_array == role)]
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
        axes.set(xlabel="UMAP 1", ylabel="UMAP 2", xticks=[], yticks=[])
        heading(figure, title)
        present = [role for role in MARKERS if role in set(roles)]
        names = [_dot(colour(number), "o", "\n".join(wrap(name, 30))) for number, name in enumerate(classes)]
        figure.legend(handles=names, loc="outside lower left")
        parts = [_dot(GREY, MARKERS[role], NAMES[role]) for role in present]
        figure.legend(handles=parts, loc="outside lower right")


def _dot(shade: str, marker: str, name: str) -> Line2D:
    return Line2D([], [], color=shade, marker=marker, linestyle="none", markersize=5, label=name)
