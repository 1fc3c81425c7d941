"""Augmentations of one slide: which patches are kept, how much their features change, and where they are moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Patch
from numpy.typing import NDArray

from oceanpath.figures.canvas import drawing, heading

DROPPED, KEPT = "#D9D9D9", "#56B4E9"
CHANGED = "viridis_r"
COLUMNS = 4


@dataclass(frozen=True)
class ViewPanel:
    """One augmentation, or a view."""

    title: str
    kept: NDArray[np.bool_]
    """[N]."""
    change: NDArray[np.float32]
    """[N], relative change of the features; 0: unchanged."""
    coords: NDArray[np.int32]
    """[N, 2] level-0 pixels after the augmentation."""


def draw_views(path: Path, slide: str, coords: NDArray[np.int32], spacing: int, panels: Sequence[ViewPanel]) -> None:
    """Write one map per panel, only as PNG, over the N patches at `coords` [N, 2], squares of `spacing` level-0 pixels.

    Dropped patches are grey, kept ones blue, changed ones coloured by their change; moved layouts are coloured by the
    original position of each patch.
    """
    lines = math.ceil((len(panels) + 1) / COLUMNS)
    largest = max((float(panel.change.max()) for panel in panels), default=0.0) or 1.0
    colours = ScalarMappable(Normalize(0.0, largest), CHANGED)
    with drawing(path, 2.1 * COLUMNS, 2.1 * lines + 0.9, vector=False) as figure:
        grid = figure.subplots(lines, COLUMNS, squeeze=False)
        origin = ViewPanel("original layout", np.ones(len(coords), np.bool_), np.zeros(len(coords), np.float32), coords)
        for number, axes in enumerate(grid.flat):
            axes.axis("off")
            if number <= len(panels):
                panel = panels[number - 1] if number else origin
                _map(axes, panel, coords, spacing, colours)
        heading(figure, f"{slide}: {len(coords)} patches")
        figure.colorbar(colours, ax=grid, location="right", shrink=0.6, label="Relative change of the features")
        keys = [Patch(color=DROPPED, label="dropped"), Patch(color=KEPT, label="kept, unchanged")]
        figure.legend(handles=keys, loc="outside lower left", ncols=2)


def _map(axes: Axes, panel: ViewPanel, coords: NDArray[np.int32], spacing: int, colours: ScalarMappable) -> None:
    changed = panel.change > 0
    faces = np.where(panel.kept[:, None], _rgb(KEPT), _rgb(DROPPED))
    faces[changed] = np.asarray(colours.to_rgba(panel.change[changed]))[:, :3]
    is_layout = not changed.any() and bool(panel.kept.all())
    if is_layout:
        faces = _by_position(coords)
    shown = panel.coords if is_layout else coords
    corners = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * spacing
    axes.add_collection(PolyCollection(shown[:, None, :] + corners, facecolors=faces, linewidths=0, rasterized=True))
    low, high = shown.min(axis=0), shown.max(axis=0) + spacing
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    axes.set_title(f"{panel.title}\n{panel.kept.sum()} kept, {changed.sum()} changed", fontsize=7)


def _by_position(coords: NDArray[np.int32]) -> NDArray[np.float64]:
    """A colour per patch that shows its place on the slide: red to the right, green to the bottom."""
    relative = (coords - coords.min(axis=0)) / np.maximum(np.ptp(coords, axis=0), 1)
    return np.concatenate([relative, np.full((len(coords), 1), 0.6)], axis=1)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
