"""Bars of one quantity, by name and group."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from oceanpath.figures.canvas import colour, drawing


def draw_bars(path: Path, groups: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Draw {group: {name: value}} as horizontal bars, one colour per name, labelled with their values."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    count = sum(len(group) for group in groups.values())
    with drawing(path, 6.4, 1.0 + 0.24 * count + 0.2 * len(groups)) as figure:
        axes, position, ticks = figure.subplots(), 0.0, {}
        for title, group in groups.items():
            top = position
            for name, value in group.items():
                bar = axes.barh(position, value, 0.8, color=colour(names.index(name)), label=name)
                axes.bar_label(bar, [f" {value:.2f}"], fontsize=7)
                position += 1
            ticks[title] = (top + position - 1) / 2
            position += 0.8
        axes.set_yticks(list(ticks.values()), list(ticks))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
