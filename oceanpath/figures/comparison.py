"""Figures of a comparison of models: a forest plot of intervals, and a critical-difference diagram of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from oceanpath.figures.canvas import GREY, colour, drawing, heading


class ForestRow(NamedTuple):
    """A number with its interval."""

    name: str
    value: float
    low: float | None
    high: float | None


def draw_forest(path: Path, rows: Sequence[ForestRow], label: str, title: str, reference: float | None = None) -> None:
    """Draw one line per row, top to bottom, with its numbers at the right; `reference` is a vertical line."""
    with drawing(path, 6.4, 1.3 + 0.28 * len(rows)) as figure:
        axes = figure.subplots()
        if reference is not None:
            axes.axvline(reference, color=GREY, linewidth=0.8, linestyle="--")
        for place, row in enumerate(rows):
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [place, place], color=colour(0))
            axes.plot(row.value, place, "s", color=colour(0), markersize=5)
            interval = "" if row.low is None else f" ({row.low:.3f} to {row.high:.3f})"
            text = f"{row.value:.3f}{interval}"
            axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(label)
        heading(figure, title)


def draw_ranks(path: Path, ranks: Mapping[str, float], critical: float, title: str) -> None:
    """Draw mean ranks, 1 at the left; bars join models that differ by less than the critical difference."""
    order = sorted(ranks, key=lambda name: ranks[name])
    cliques = _cliques([ranks[name] for name in order], critical)
    with drawing(path, 6.4, 1.5 + 0.25 * len(order) + 0.12 * len(cliques)) as figure:
        axes = figure.subplots()
        depth = len(cliques) * 0.4
        for place, name in enumerate(order):
            y = depth + 0.8 + place
            axes.plot([ranks[name]] * 2, [0, y], color=GREY, linewidth=0.8)
            axes.plot(ranks[name], 0, "o", color=colour(0), markersize=5)
            axes.annotate(f" {name} ({ranks[name]:.2f})", (ranks[name], y), va="center", fontsize=8)
        for number, (first, last) in enumerate(cliques):
            ends = [ranks[order[first]] - 0.03, ranks[order[last]] + 0.03]
            axes.plot(ends, [0.4 * (number + 1)] * 2, color=colour(1), linewidth=3)
        axes.set_xlim(1 - 0.15, len(order) + 0.15)
        axes.set_ylim(depth + 0.8 + len(order) - 0.4, -0.2)
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        axes.spines["top"].set_visible(True)
        for side in ("bottom", "left"):
            axes.spines[side].set_visible(False)
        axes.set_yticks([])
        axes.set_xlabel(f"Mean rank (1 is best); critical difference {critical:.2f}")
        heading(figure, title)


def _cliques(ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """The longest runs of sorted ranks within the critical difference, of two models or more."""
    runs: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - ranks[first] <= critical)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
