"""Survival of groups over time, with the numbers at risk; prediction error over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from oceanpath.figures.canvas import colour, drawing, heading

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GroupCurve:
    """The Kaplan-Meier curve of one group."""

    name: str
    times: Floats
    """[k] distinct times, rising."""
    survival: Floats
    """[k] from each time on."""
    censored: Floats
    """Times at which rows are censored."""
    at_risk: Sequence[int]
    """Number at risk at each tick."""


def time_ticks(last: float) -> Floats:
    """About six round times from 0 to `last`."""
    ticks = np.asarray(MaxNLocator(6).tick_values(0.0, last))
    return ticks[ticks <= last]


def draw_groups(path: Path, groups: Sequence[GroupCurve], ticks: Floats, unit: str, texts: tuple[str, str]) -> None:
    """Curves of the groups, a mark for each censored row, and a table of the numbers at risk at the ticks.

    Args:
        path: The PNG to write.
        groups: The groups.
        ticks: Times of the axis.
        unit: Unit of time.
        texts: The title, and a line about the difference of the groups.
    """
    title, difference = texts
    with drawing(path, 4.6, 3.6 + 0.2 * len(groups)) as figure:
        axes, table = figure.subplots(2, 1, sharex=True, height_ratios=(8, 1 + len(groups)))
        for number, group in enumerate(groups):
            x, y = np.r_[0.0, group.times], np.r_[1.0, group.survival]
            axes.step(x, y, where="post", color=colour(number), label=group.name)
            at = y[np.searchsorted(group.times, group.censored, side="right")]
            axes.plot(group.censored, at, "|", color=colour(number), markersize=4, markeredgewidth=0.6)
            for tick, count in zip(ticks, group.at_risk, strict=True):
                table.text(tick, -number, str(count), ha="center", va="center", fontsize=7, color=colour(number))
        axes.set(ylim=(-0.02, 1.02), ylabel="Survival", xlim=(-0.02 * ticks[-1], 1.03 * ticks[-1]))
        axes.set_xticks(ticks)
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(f"Time ({unit})")
        axes.legend(loc="best")
        axes.set_title(difference, fontsize=7.5)
        table.set(ylim=(0.5 - len(groups), 0.9))
        table.set_title("Number at risk", fontsize=7.5, loc="left")
        table.axis("off")
        heading(figure, title)


def draw_errors(path: Path, at: Floats, errors: Mapping[str, Floats], unit: str, title: str) -> None:
    """Brier scores at the times `at` [k] by model; the first line is the strongest."""
    with drawing(path, 3.8, 3.2) as figure:
        axes = figure.subplots()
        for number, (name, error) in enumerate(errors.items()):
            axes.plot(at, error, color=colour(number), label=name, marker="o", markersize=3, linewidth=1.2)
        axes.set(xlabel=f"Time ({unit})", ylabel="Brier score", xlim=(0, None), ylim=(0, None))
        axes.legend(loc="best")
        heading(figure, title)
