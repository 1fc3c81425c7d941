"""Bars of one quantity for named things, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from oceanpath.figures.canvas import colour, drawing


def draw_bars(path: Path, groups: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Draw {group: {name: value}} as horizontal bars, a colour a name, with the values written beside them."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    count = sum(len(group) for group in groups.values())
    with drawing(path, 6.4, 1.0 + 0.24 * count + 0.2 * len(groups)) as figure:
        axes, place, ticks = figure.subplots(), 0.0, {}
        for title, group in groups.items():
            top = place
            for name, value in group.items():
                bar = axes.barh(place, value, 0.8, color=colour(names.index(name)), label=name)
                axes.bar_label(bar, [f" {value:.2f}"], fontsize=7)
                place += 1
            ticks[title] = (top + place - 1) / 2
            place += 0.8
        axes.set_yticks(list(ticks.values()), list(ticks))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
