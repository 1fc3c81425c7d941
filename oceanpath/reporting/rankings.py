"""Pages of a leaderboard and of a comparison of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oceanpath.reporting.page import Figure, render
from oceanpath.reporting.pictures import embed
from oceanpath.reporting.tables import Row, draw_bars

PICTURES = {
    "forest.png": "Each model with its interval.",
    "differences.png": "Difference of each model to the best one; an interval that includes 0 shows no difference.",
    "ranks.png": "Mean ranks over the test sets; models closer than the critical difference are not separated.",
}
"""Figure of a comparison → caption."""


def leaderboard_page(
    head: Sequence[str], cells: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]], note: str
) -> str:
    """The leaderboard as HTML, one table per cohort.

    Args:
        head: Titles of the columns; the first one is the cohort, the third one the model.
        cells: The rows as text.
        rows: The same rows, with the keys cohort, mean, low and high.
        note: What intervals and ranks mean.
    """
    cohorts: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        cohorts.setdefault(row["cohort"], []).append(number)
    tables = [
        {"cohort": name or "own cohort", "rows": _leaderboard_rows([(cells[i], rows[i]) for i in own])}
        for name, own in cohorts.items()
    ]
    titles = [head[2], *(title for i, title in enumerate(head) if i not in (0, 2)), "interval"]
    return render("leaderboard.html", {"tables": tables, "head": titles, "note": note})


def _leaderboard_rows(own: Sequence[tuple[Sequence[str], Mapping[str, Any]]]) -> list[Row]:
    bars = draw_bars([{**row, "value": row["mean"]} for _, row in own])
    return [
        Row(cells[2], tuple(cell for i, cell in enumerate(cells) if i not in (0, 2)), bar)
        for (cells, _), bar in zip(own, bars, strict=True)
    ]


def comparison_page(report: Mapping[str, Any], cells: Sequence[Sequence[str]], title: str, folder: Path) -> str:
    """A comparison as HTML.

    Args:
        report: The contents of comparison.json.
        cells: One row per model: name, main metric, difference to the best, p.
        title: Title of the main metric.
        folder: Where its figures are.
    """
    first = report["pairs"][0]
    bars = draw_bars([report["models"][row[0]] for row in cells])
    rows = [Row(row[0], tuple(row[1:]), bar) for row, bar in zip(cells, bars, strict=True)]
    figures = [
        Figure(source, f"{caption} {_counts(first)}", caption)
        for name, caption in PICTURES.items()
        if (source := embed(folder / name))
    ]
    facts = {"counts": _counts(first), "confidence": f"{100 * report['confidence']:g} %", "title": title}
    return render("comparison.html", {**facts, "rows": rows, "report": report, "figures": figures})


def _counts(pair: Mapping[str, Any]) -> str:
    return f"{pair['n']} slides of {pair['n_patients']} patients"
