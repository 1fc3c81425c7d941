"""Differences between the metadata of two bundles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from oceanpath.artifacts.bundle.facts import ModelFacts

ABSENT = "absent"


class Difference(NamedTuple):
    """One key of bundle.json with its two values."""

    key: str
    """Dotted, such as ``contract.encoder``."""
    a: Any
    b: Any


def compare_facts(a: ModelFacts, b: ModelFacts) -> list[Difference]:
    """The keys whose values differ, sorted; the seals, which always differ then, are left out."""
    left, right = (dict(_flatten(facts.model_dump(mode="json", exclude={"seal"}))) for facts in (a, b))
    keys = sorted({*left, *right})
    pairs = (Difference(key, left.get(key, ABSENT), right.get(key, ABSENT)) for key in keys)
    return [pair for pair in pairs if pair.a != pair.b]


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → value that is neither a filled dictionary nor a filled list."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flatten(part, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value:
        for number, part in enumerate(value):
            yield from _flatten(part, f"{prefix}[{number}]")
    else:
        yield prefix, value
