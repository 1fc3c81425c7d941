"""Output of a benchmark: a table or JSON, and both with a plot in the folder of --out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oceanpath.errors import ExitCode


@dataclass(frozen=True)
class BenchResult:
    """The results of one benchmark."""

    name: str
    rows: list[Any]
    """Dataclasses with a case and a method (`way`)."""
    facts: dict[str, int]
    """Description of the data."""
    table: str
    """The rows as text."""
    drawn: tuple[str, str] | None
    """The field to plot, and its label; None without a plot."""


def write_result(result: BenchResult, out: Path | None, *, as_json: bool) -> int:
    """Print the results, and write them below `out` if it is given."""
    text = json.dumps({**result.facts, "rows": [asdict(row) for row in result.rows]}, indent=2)
    print(text if as_json else result.table)
    if out is None:
        return int(ExitCode.OK)
    (out / f"{result.name}.json").write_text(text + "\n", encoding="utf-8")
    (out / f"{result.name}.md").write_text(result.table + "\n", encoding="utf-8")
    if result.drawn is None:
        return int(ExitCode.OK)
    from oceanpath.figures.bars import draw_bars

    field, label = result.drawn
    groups: dict[str, dict[str, float]] = {}
    for row in result.rows:
        groups.setdefault(row.case, {})[row.way] = getattr(row, field)
    draw_bars(out / f"{result.name}.png", groups, label)
    return int(ExitCode.OK)
