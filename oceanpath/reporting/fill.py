"""Sentences with values of published files: ``"{eval/metrics.json#repeats} repeats"``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oceanpath.reporting.documents import Documents

PLACE = re.compile(r"\{([^{}#|]+#?[^{}|]*)(?:\|(\w+))?\}")


@dataclass(frozen=True)
class Filled:
    """A sentence and the keys whose values it contains."""

    text: str
    citations: tuple[str, ...]


def estimate(record: Mapping[str, Any], digits: int = 3) -> str:
    """``0.912 (0.880 to 0.941)``; "undefined" with the reason if there is no value."""
    if record["value"] is None:
        return f"undefined ({record['reason']})"
    value = f"{record['value']:.{digits}f}"
    if record.get("low") is None or record.get("high") is None:
        return value
    return f"{value} ({record['low']:.{digits}f} to {record['high']:.{digits}f})"


def plain(value: Any) -> str:
    """A value as text: numbers with four digits, lists separated by commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value)) or "none"
    return str(value)


FORMATS: dict[str, Callable[[Any], str]] = {
    "": plain,
    "estimate": estimate,
    "percent": lambda value: f"{100 * value:.0f} %",
    "signed": lambda value: f"{value:+.3f}",
    "count": lambda value: str(len(value)),
    "counts": lambda value: "; ".join(f"{name} {own['patients']} patients" for name, own in value.items()),
    "keys": lambda value: ", ".join(map(str, value)) or "none",
}


def fill(template: str, documents: Documents) -> Filled | None:
    """The sentence with its values; None if a value is missing."""
    cited: list[str] = []

    def replace(match: re.Match[str]) -> str:
        label, _, keys = match[1].partition("#")
        value = documents.look(match[1])
        cited.append(f"{documents.find(label)}#{keys}" if keys else documents.find(label))
        return FORMATS[match[2] or ""](value)

    try:
        return Filled(PLACE.sub(replace, template), tuple(dict.fromkeys(cited)))
    except (LookupError, TypeError, ValueError):
        return None
