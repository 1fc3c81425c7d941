"""Metrics in plain words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oceanpath.reporting.fill import estimate

Record = Mapping[str, Any]
FROM_CLASS = "auroc_from_"
"""Prefix of the AUROC of one threshold between ordered classes."""


@dataclass(frozen=True)
class Reading:
    """One metric of the page."""

    name: str
    title: str
    values: tuple[str, ...]
    """The estimate at every level."""
    text: str
    """What the number of slides says."""


@cache
def declared() -> dict[str, dict[str, str]]:
    """Metric → title, sentences and, for those of the appendix, the reason."""
    path = Path(__file__).parent / "readings.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def title_of(metric: str) -> str:
    """The title of a metric; its name if it is a metric of the user's own."""
    if metric.startswith(FROM_CLASS):
        return f"AUROC from {metric.removeprefix(FROM_CLASS)}"
    return declared().get(metric, {}).get("title", metric)


def read_metric(metric: str, levels: Sequence[Mapping[str, Record]], classes: Sequence[str]) -> Reading:
    """A metric with its estimates at the levels, and what that of the first level says."""
    values = tuple(estimate(level[metric]) if metric in level else "" for level in levels)
    return Reading(metric, title_of(metric), values, sentence(metric, levels[0][metric], classes))


def sentence(metric: str, record: Record, classes: Sequence[str]) -> str:
    """The number in plain words; empty for a metric of the user's own."""
    value = record["value"]
    if value is None:
        return f"Not defined: {record['reason']}."
    entry = declared().get(metric, {})
    if metric.startswith(FROM_CLASS):
        entry = {"other": "In {percent} of pairs, the slide of the higher grade has the higher score."}
    words = {"value": f"{value:.3g}", "percent": f"{100 * value:.0f} %", "hundred": f"{100 * value:.0f}"}
    text = entry["binary"] if len(classes) == 2 and "binary" in entry else entry.get("other", "")
    if len(classes) == 2:
        words |= {"negative": classes[0], "positive": classes[1]}
    return _replaced(text, words) + _compatible(record, is_share="{value}" not in text) if text else ""


def _compatible(record: Record, *, is_share: bool) -> str:
    """The interval in words."""
    low, high = record.get("low"), record.get("high")
    if low is None or high is None:
        return ""
    ends = [f"{100 * end:.0f} %" for end in (low, high)] if is_share else [f"{end:.3g}" for end in (low, high)]
    return f" The data are compatible with values from {ends[0]} to {ends[1]}."


def _replaced(text: str, words: Mapping[str, str]) -> str:
    """The text with its words; braces in class names are no placeholders."""
    parts = text.split("{")
    return parts[0] + "".join(words[name] + rest for name, _, rest in (part.partition("}") for part in parts[1:]))


def split_appendix(metrics: Iterable[str], task: str) -> tuple[list[str], list[str]]:
    """The metrics of the page, and those of the appendix, in the order in which they are declared."""
    order = list(declared())
    own = [name for name in metrics if declared().get(name, {}).get("task", task) == task]
    names = sorted(own, key=lambda name: order.index(name) if name in order else len(order))
    appendix = [name for name in names if "appendix" in declared().get(name, {})]
    return [name for name in names if name not in appendix], appendix
