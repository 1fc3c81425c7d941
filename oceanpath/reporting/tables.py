"""Tables of the page: Table 1, baselines, subgroups, and the bars of their intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oceanpath.reporting.fill import estimate

Record = Mapping[str, Any]
ROLES = ("train", "val", "test")
SHOWN = 12
"""Values of a column that Table 1 lists; sites can have dozens."""


@dataclass(frozen=True)
class Bar:
    """An interval as a drawing, in percent of its width."""

    low: float
    value: float
    high: float
    reference: float | None


@dataclass(frozen=True)
class Row:
    """A row of a table with an interval."""

    name: str
    cells: tuple[str, ...]
    bar: Bar | None


def draw_bars(records: Sequence[Record], reference: float | None = None) -> list[Bar | None]:
    """The intervals of a table on one scale; None for a record without an interval."""
    known = [record for record in records if None not in (record.get("low"), record.get("high"), record["value"])]
    ends = [end for record in known for end in (record["low"], record["high"])]
    ends += [] if reference is None else [reference]
    if not known or min(ends) == max(ends):
        return [None] * len(records)
    low, width = min(ends), max(ends) - min(ends)

    def at(value: float) -> float:
        return float(round(4 + 92 * (value - low) / width, 2))

    line = None if reference is None else at(reference)
    bars = {id(record): Bar(at(record["low"]), at(record["value"]), at(record["high"]), line) for record in known}
    return [bars.get(id(record)) for record in records]


def baseline_rows(metrics: Mapping[str, Any], main: str, titles: Mapping[str, str]) -> list[Row]:
    """Every baseline with its value and the difference of the model to it."""
    names = list(metrics["versus_baseline"])
    bars = draw_bars([metrics["versus_baseline"][name] for name in names], reference=0.0)
    return [
        Row(
            titles.get(name, name),
            (estimate(metrics["floor"][name][main]), _difference(metrics["versus_baseline"][name])),
            bar,
        )
        for name, bar in zip(names, bars, strict=True)
    ]


def _difference(record: Record) -> str:
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    interval = "" if record.get("low") is None else f" ({record['low']:+.3f} to {record['high']:+.3f})"
    return f"{record['value']:+.3f}{interval}"


def subgroup_tables(report: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """One table per column: groups with their metric, the difference to all others, and small groups."""
    tables = []
    for column, found in (report or {"columns": {}})["columns"].items():
        groups = found["groups"]
        bars = draw_bars(list(groups.values()))
        rows = [
            Row(name, (str(group.get("n_patients", "")), estimate(group), _gap(group["difference"])), bar)
            for (name, group), bar in zip(groups.items(), bars, strict=True)
        ]
        tables.append({"column": column, "rows": rows, "worst": found["worst"], "too_small": found["too_small"]})
    return tables


def _gap(record: Record) -> str:
    if record["value"] is None:
        return ""
    p = record.get("p_holm")
    return _difference(record) + ("" if p is None else f", p {p:.2g}")


def table_one(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Table 1 from balance.csv: per column and value the mean number of patients of a fold in each role, and its share.

    Patients with several values of a column are counted for each.
    """
    counts: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(lambda: dict.fromkeys(ROLES, 0.0)))
    folds = set[str]()
    for row in rows:
        folds.add(row["fold"])
        counts[row["column"]][row["value"]][row["role"]] += float(row["patients"])
    return [_column(name, values, max(len(folds), 1)) for name, values in counts.items()]


def _column(name: str, values: Mapping[str, Mapping[str, float]], folds: int) -> dict[str, Any]:
    totals = {role: sum(value[role] for value in values.values()) for role in ROLES}
    ordered = sorted(values, key=lambda value: -sum(values[value].values())) if len(values) > SHOWN else list(values)
    rows = [
        (value or "(unknown)", [_share(values[value][role], totals[role], folds) for role in ROLES])
        for value in ordered[:SHOWN]
    ]
    return {"name": name, "rows": rows, "more": max(0, len(values) - SHOWN)}


def _share(count: float, total: float, folds: int) -> str:
    share = f" ({100 * count / total:.0f} %)" if total else ""
    return f"{count / folds:.1f}".removesuffix(".0") + share
