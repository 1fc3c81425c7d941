"""What a benchmark says: its table or JSON, and both with a plot in a folder where that is asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oceanpath.errors import ExitCode


@dataclass(frozen=True)
class BenchResult:
    """The figures of one benchmark."""

    name: str
    rows: list[Any]
    """Dataclasses with a case and a way."""
    facts: dict[str, int]
    """What they were measured on."""
    table: str
    """The same for people."""
    drawn: tuple[str, str]
    """The field that the plot shows, and what it is called there."""


def write_result(told: BenchResult, out: Path | None, *, as_json: bool) -> int:
    """Print what was measured, and write it below `out` where that is given."""
    said = json.dumps({**told.facts, "rows": [asdict(row) for row in told.rows]}, indent=2)
    print(said if as_json else told.table)
    if out is None:
        return int(ExitCode.OK)
    from oceanpath.figures.bars import draw_bars

    (out / f"{told.name}.json").write_text(said + "\n", encoding="utf-8")
    (out / f"{told.name}.md").write_text(told.table + "\n", encoding="utf-8")
    field, label = told.drawn
    groups: dict[str, dict[str, float]] = {}
    for row in told.rows:
        groups.setdefault(row.case, {})[row.way] = getattr(row, field)
    draw_bars(out / f"{told.name}.png", groups, label)
    return int(ExitCode.OK)
