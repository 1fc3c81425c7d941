"""Sentences that explain why a step runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def reasons(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """The differences between the last complete identity of a step and this one, one sentence per difference."""
    if before is None:
        return ["first run"]
    texts = _changed("version", before, now)
    texts += [_setting(key, old, new) for key, old, new in _differences(before["settings"], now["settings"])]
    texts += [
        f"{key.removeprefix('outside ')} changed" for key, _, _ in _differences(before["outside"], now["outside"])
    ]
    texts += [f"parent {key} changed" for key, _, _ in _differences(before["parents"], now["parents"])]
    texts += [f"variant {key} changed" for key, _, _ in _differences(before["across"], now["across"])]
    libraries = _differences(before["libraries"], now["libraries"])
    texts += [f"library {key} {_show(old)} -> {_show(new)}" for key, old, new in libraries]
    return texts or ["its output is not in the workspace"]


def step_difference(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of a step in two runs: sentences about the changes, and metric → (old, new) for different metrics."""
    if old is None or new is None:
        return {"changes": ["only in the second run" if old is None else "only in the first run"], "metrics": {}}
    recorded = old["identity"] and new["identity"]
    changes = reasons(old["identity"], new["identity"]) if recorded and old["fingerprint"] != new["fingerprint"] else []
    names = sorted({*old["metrics"], *new["metrics"]})
    pairs = {name: (old["metrics"].get(name), new["metrics"].get(name)) for name in names}
    return {"changes": changes, "metrics": {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}}


def _changed(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [] if before[key] == now[key] else [f"{key} {before[key]} -> {now[key]}"]


def _differences(before: Any, now: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """(dotted key, old, new) for every leaf that differs; None means absent."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        differences: list[tuple[str, Any, Any]] = []
        for key in sorted({*before, *now}):
            differences += _differences(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else str(key))
        return differences
    return [] if before == now else [(prefix, before, now)]


def _setting(key: str, old: Any, new: Any) -> str:
    return f"{key}: {_show(old)} -> {_show(new)}"


def _show(value: Any) -> str:
    return "(absent)" if value is None else str(value)
