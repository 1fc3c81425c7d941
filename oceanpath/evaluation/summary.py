"""An evaluation as lines for the screen and as flat numbers for the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oceanpath.artifacts.bag_unit import unit_of
from oceanpath.evaluation.report import SEEN
from oceanpath.tasks.base import Task


def summarise(report: Mapping[str, Any], task: Task) -> tuple[list[str], dict[str, Any]]:
    """Lines for the screen and flat numbers for the ledger; both contain the marks that the report has."""
    marks, main, title = [name for name in ("selected", SEEN) if report.get(name)], task.main_metric, task.main_title
    word, prefix = "".join(f"{name} " for name in marks), "".join(f"{name}_" for name in marks)
    own, patient = report["level"][unit_of(report)], report["level"]["patient"]
    lines = [f"{word}{level} {title} {format_record(group[main])}" for level, group in report["level"].items()]
    lines += [f"{word}baseline {name} {title} {format_record(group[main])}" for name, group in report["floor"].items()]
    lines += [note if note.startswith(("selected", SEEN)) else word + note for note in report["notes"]]
    flat: dict[str, Any] = {name: own[name]["value"] for name in task.ledger_metrics}
    flat |= {f"{main}_{end}": own[main].get(end) for end in ("low", "high")}
    flat |= {f"patient_{main}{end}": patient[main].get(key) for end, key in _ENDS.items()}
    flat |= {f"floor_{name}": group[main]["value"] for name, group in report["floor"].items()}
    for name, difference in report["versus_baseline"].items():
        flat |= {f"versus_{name}{end}": difference.get(key) for end, key in _ENDS.items()}
        flat |= {f"versus_{name}_{key}": difference[key] for key in ("p", "verdict")}
    return lines, {prefix + name: value for name, value in flat.items()}


_ENDS = {"": "value", "_low": "low", "_high": "high"}


def format_record(record: Mapping[str, Any]) -> str:
    """A record as text: ``0.912 (0.880 to 0.941)``, or the reason why there is no number or no interval."""
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    if record["low"] is None:
        return f"{record['value']:.3f} (no interval: {record['reason']})"
    return f"{record['value']:.3f} ({record['low']:.3f} to {record['high']:.3f})"
