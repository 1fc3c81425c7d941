"""Metrics in plain words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

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


@dataclass(frozen=True)
class Terms:
    """The names that sentences contain."""

    classes: Sequence[str] = ()
    """In their order; the last of two is the positive one."""
    labels: Sequence[str] = ()
    """Of a task with several labels per slide."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Metric or baseline → its title for the task, if it has its own."""

    @classmethod
    def of(cls, metrics: Mapping[str, Any], titles: Mapping[str, str]) -> Self:
        """The names in a metrics.json."""
        return cls(metrics.get("classes", ()), metrics.get("targets", ()), titles)


@cache
def declared() -> dict[str, dict[str, str]]:
    """Metric → title, sentences and, for those of the appendix, the reason."""
    path = Path(__file__).parent / "readings.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def title_of(metric: str, terms: Terms) -> str:
    """The title of a metric; its name if it is a metric of the user's own."""
    if metric.startswith(FROM_CLASS):
        return f"AUROC from {metric.removeprefix(FROM_CLASS)}"
    base, label = split_label(metric, terms.labels)
    title = declared().get(base, {}).get("title", base)
    return f"{title}, {label}" if label else terms.titles.get(metric, title)


def split_label(metric: str, labels: Sequence[str]) -> tuple[str, str]:
    """``auroc_egfr`` as ``auroc`` and the label ``egfr``; any other metric as itself and an empty text."""
    for label in labels:
        base = metric.removesuffix(f"_{label}")
        if base != metric and base in declared():
            return base, label
    return metric, ""


def read_metric(metric: str, levels: Sequence[Mapping[str, Record]], terms: Terms) -> Reading:
    """A metric with its estimates at the levels, and what that of the first level says."""
    values = tuple(estimate(level[metric]) if metric in level else "" for level in levels)
    return Reading(metric, title_of(metric, terms), values, sentence(metric, levels[0][metric], terms))


def sentence(metric: str, record: Record, terms: Terms) -> str:
    """The number in plain words; empty for a metric of the user's own."""
    value = record["value"]
    if value is None:
        return f"Not defined: {record['reason']}."
    base, label = split_label(metric, terms.labels)
    words = {"value": f"{value:.3g}", "percent": f"{100 * value:.0f} %", "hundred": f"{100 * value:.0f}"}
    words["label"] = label
    if len(terms.classes) == 2:
        words |= {"negative": terms.classes[0], "positive": terms.classes[1]}
    text = _template(base, label, terms)
    return _replaced(text, words) + _compatible(record, is_share="{value}" not in text) if text else ""


def _template(metric: str, label: str, terms: Terms) -> str:
    """The sentence that applies to the task; empty for a metric of the user's own."""
    if metric.startswith(FROM_CLASS):
        return "In {percent} of pairs, the slide of the higher grade has the higher score."
    kinds = {"binary": len(terms.classes) == 2, "label": bool(label), "labels": bool(terms.labels) and not label}
    entry = declared().get(metric, {})
    return next((entry[kind] for kind, applies in kinds.items() if applies and kind in entry), entry.get("other", ""))


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


def split_appendix(metrics: Iterable[str], task: str, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The metrics of the page, and those of the appendix, in the order in which they are declared."""
    order, bases = list(declared()), {name: split_label(name, labels) for name in metrics}
    own = [name for name, (base, _) in bases.items() if declared().get(base, {}).get("task", task) == task]
    names = sorted(own, key=lambda name: order.index(bases[name][0]) if bases[name][0] in order else len(order))
    appendix = [name for name in names if reason_of(name, labels)]
    return [name for name in names if name not in appendix], appendix


def reason_of(metric: str, labels: Sequence[str]) -> str:
    """Why a metric is in the appendix; empty if it is not."""
    return declared().get(split_label(metric, labels)[0], {}).get("appendix", "")
