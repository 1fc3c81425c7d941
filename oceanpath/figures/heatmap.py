"""Scores of patches over a slide, drawn in level-0 pixels.

Attention is drawn as attention × number of patches, a multiple of an equal share: 1 = uniform. Contributions have a
sign, and their scale is symmetric. Scales end at the 99th percentile, so that one patch does not hide the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection, PolyCollection
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.figures.canvas import GREY, PALETTE, drawing, heading
from oceanpath.figures.lines import wrap
from oceanpath.figures.scale_bar import scale_bar

COLOURS = "inferno"
SIGNED_COLOURS = "RdBu_r"
"""Red patches increase the score, blue ones decrease it."""
LABEL = "Attention (1 = an equal share)"
PANELS = {1: 3.4, 2: 2.4}
"""Number of scores → longer side of a panel in inches; the figure is as wide as a page."""
MIN_OPACITY, MAX_OPACITY = 0.2, 0.75
"""Opacity over a thumbnail: tissue with little attention stays visible."""


@dataclass(frozen=True)
class Backdrop:
    """A thumbnail [h, w, 3] uint8 of the whole slide, whose edges are the edges of level 0."""

    thumbnail: NDArray[np.uint8]
    level0_width: int
    level0_height: int
    mpp: float | None = None
    """Micrometres per level-0 pixel along x; None if it is unknown."""

    def scale(self) -> tuple[float, float]:
        """Thumbnail pixels per level-0 pixel, in x and y."""
        height, width = self.thumbnail.shape[:2]
        return width / self.level0_width, height / self.level0_height


@dataclass(frozen=True)
class Signed:
    """Contributions of patches [n] to a prediction, which they sum to."""

    values: NDArray[np.floating]
    label: str
    """What they sum to, such as "log odds of tumour"."""


@dataclass(frozen=True)
class MapOptions:
    """What else a map of patches has."""

    signed: Signed | None = None
    """Contributions, drawn in a panel of their own."""
    vector: bool = True
    """Whether PDF and SVG are written too."""


DEFAULT = MapOptions()


@dataclass(frozen=True)
class _Layer:
    """One score of every patch [n] and how it is coloured."""

    values: NDArray[np.float64]
    label: str
    colours: str
    low: float
    top: float

    def opacity(self) -> list[float]:
        """Opacity of each patch over a thumbnail: that of the largest scores is the highest."""
        return list(MIN_OPACITY + (MAX_OPACITY - MIN_OPACITY) * np.minimum(np.abs(self.values) / self.top, 1))


def draw_heatmap(
    path: Path,
    coords: NDArray[np.int32],
    footprint: tuple[float, float],
    attention: NDArray[np.floating],
    backdrop: Backdrop,
    title: str,
    options: MapOptions = DEFAULT,
) -> None:
    """The thumbnail, and next to it the same with the patches coloured by attention, and by contribution if given.

    Args:
        path: The PNG to write; PDF and SVG are written next to it, unless `options` says otherwise.
        coords: [n, 2] level-0 pixels, top-left corners.
        footprint: Width and height of a patch in level-0 pixels.
        attention: [n], non-negative, sums to 1.
        backdrop: The thumbnail and the size of level 0.
        title: Title of the figure.
        options: Contributions [n], and whether PDF and SVG are written.
    """
    width, height = backdrop.level0_width, backdrop.level0_height
    layers = _layers(attention, options.signed)
    size = _figure_size(width, height, PANELS[len(layers)], panels=1 + len(layers))
    with drawing(path, *size, vector=options.vector) as figure:
        panels = figure.subplots(1, 1 + len(layers))
        for axes in panels:
            axes.imshow(backdrop.thumbnail, extent=(0, width, height, 0), interpolation="antialiased")
            _hide_axes(axes, width, height)
            _draw_scale(axes, backdrop.mpp)
        for axes, layer in zip(panels[1:], layers, strict=True):
            _colour_patches(axes, coords, footprint, layer, see_through=True)
        heading(figure, title)


def draw_coords(
    path: Path,
    coords: NDArray[np.int32],
    footprint: tuple[float, float] | None,
    attention: NDArray[np.floating],
    title: str,
    options: MapOptions = DEFAULT,
) -> None:
    """Patches at their coordinates without a thumbnail: rectangles, or points if their size is unknown (None)."""
    side = footprint or (0.0, 0.0)
    low, high = coords.min(axis=0).astype(float), coords.max(axis=0) + np.asarray(side)
    margin = 0.02 * max(float((high - low).max()), 1.0)
    span = high - low + 2 * margin
    layers = _layers(attention, options.signed)
    size = _figure_size(span[0], span[1], 4.2, panels=len(layers))
    with drawing(path, *size, vector=options.vector) as figure:
        for axes, layer in zip(figure.subplots(1, len(layers), squeeze=False)[0], layers, strict=True):
            _hide_axes(axes, span[0], span[1], low[0] - margin, low[1] - margin)
            axes.spines[:].set_visible(True)
            axes.spines[:].set_color(GREY)
            if footprint is not None:
                _colour_patches(axes, coords, footprint, layer, see_through=False)
            else:
                limits = {"cmap": layer.colours, "vmin": layer.low, "vmax": layer.top}
                points = axes.scatter(coords[:, 0], coords[:, 1], 12, layer.values, **limits)
                _colour_bar(axes, points, layer)
            _draw_scale(axes, None)
        heading(figure, title)


def draw_sorted(path: Path, attention: NDArray[np.floating], title: str, options: MapOptions = DEFAULT) -> None:
    """Scores of patches without coordinates, each sorted: attention as multiples of an equal share."""
    layers = _layers(attention, options.signed)
    with drawing(path, 4.2 * len(layers), 2.8, vector=options.vector) as figure:
        for axes, layer in zip(figure.subplots(1, len(layers), squeeze=False)[0], layers, strict=True):
            values = np.sort(layer.values)[::-1]
            axes.bar(np.arange(1, len(values) + 1), values, width=1.0, color=PALETTE[0])
            axes.axhline(1 if layer.low == 0 else 0, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.set(xlabel="Patches, sorted", ylabel=layer.label, xlim=(0.5, len(values) + 0.5))
            axes.locator_params(axis="x", integer=True)
        heading(figure, title)


def _layers(attention: NDArray[np.floating], signed: Signed | None) -> list[_Layer]:
    shares = relative(attention)
    layers = [_Layer(shares, LABEL, COLOURS, 0.0, _top(shares))]
    if signed is not None:
        top = _top(np.abs(signed.values))
        label = "\n".join(wrap(f"Contribution to the {signed.label}", 20))
        layers.append(_Layer(np.asarray(signed.values, np.float64), label, SIGNED_COLOURS, -top, top))
    return layers


def relative(attention: NDArray[np.floating]) -> NDArray[np.float64]:
    """Attention [n] as multiples of an equal share."""
    if attention.ndim != 1 or not len(attention) or not np.isfinite(attention).all() or attention.min() < 0:
        raise StageError("attention is not one finite, non-negative number per patch", got=attention.shape)
    return attention.astype(np.float64) * len(attention)


def rectangles(coords: NDArray[np.int32], footprint: tuple[float, float]) -> NDArray[np.float64]:
    """Corners [n, 4, 2] of patches in level-0 pixels."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * np.asarray(footprint)
    result: NDArray[np.float64] = coords[:, None, :] + corners[None]
    return result


def _colour_patches(
    axes: Axes, coords: NDArray[np.int32], footprint: tuple[float, float], layer: _Layer, see_through: bool
) -> None:
    if coords.shape != (len(layer.values), 2):
        expected = len(layer.values), 2
        raise StageError(
            "scores and coordinates have different numbers of patches", expected=expected, got=coords.shape
        )
    patches = PolyCollection(list(rectangles(coords, footprint)), cmap=layer.colours, linewidths=0, antialiased=False)
    patches.set_rasterized(True)  # one image instead of ten thousand outlines in PDF and SVG
    patches.set_array(layer.values)
    patches.set_clim(layer.low, layer.top)
    if see_through:
        patches.set_alpha(layer.opacity())
    axes.add_collection(patches, autolim=False)
    _colour_bar(axes, patches, layer)


def _colour_bar(axes: Axes, patches: Collection, layer: _Layer) -> None:
    extend = "max" if layer.low == 0 else "both"
    axes.figure.colorbar(patches, ax=axes, label=layer.label, shrink=0.8, extend=extend)


def _draw_scale(axes: Axes, mpp: float | None) -> None:
    """A scale bar in the lower left corner, readable on tissue and on glass."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    length, label = scale_bar(right - left, mpp)
    x, y = left + 0.03 * (right - left), bottom + 0.03 * (top - bottom)
    outline = [withStroke(linewidth=3.5, foreground="white")]
    axes.plot([x, x + length], [y, y], color="black", linewidth=2, solid_capstyle="butt", path_effects=outline)
    axes.annotate(label, (x, y), (0, 4), "data", "offset points", fontsize=7, path_effects=outline)


def _top(shares: NDArray[np.float64]) -> float:
    return max(float(np.percentile(shares, 99)), 1e-9)


def _hide_axes(axes: Axes, width: float, height: float, left: float = 0.0, top: float = 0.0) -> None:
    axes.set(xlim=(left, left + width), ylim=(top + height, top), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _figure_size(width: float, height: float, panel: float, panels: int) -> tuple[float, float]:
    """Inches of a figure whose panels have the slide's shape and sides of at most `panel` inches."""
    scale = panel / max(width, height)
    return max(width * scale * panels + 1.0, 3.2), max(height * scale, 1.2) + 0.6
