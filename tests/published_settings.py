"""Settings compared with the reference that users read: docs/reference/experiment.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oceanpath.settings import Settings

COMPUTED = ("cohort", "data.target_keys")
"""Values that are computed from several keys."""
REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "experiment.schema.json"


def read_reference() -> dict[str, Any]:
    """The published JSON Schema of an experiment file."""
    reference: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    return reference


def check_keys(settings: type[Settings], published: dict[str, Any]) -> None:
    """The keys of a class have the types, ranges and defaults of its published table."""
    keys = settings.model_json_schema()["properties"]
    stated = {name: _without_words(part) for name, part in published["properties"].items()}
    assert {name: _without_words(keys[name]) for name in settings.own_keys() if name in stated} == stated


def check_shared_keys(settings: type[Settings]) -> None:
    """A key that is filled from another table has the default that is published there."""
    tables = read_reference()["properties"]
    for name, key in settings.shared_keys().items():
        table, _, there = key.partition(".")
        published = tables.get(table, {})
        published = published.get("properties", {}).get(there, {}) if there else published
        assert published or key in COMPUTED, f"{settings.__name__}.{name}: there is no {key}"
        if "default" in published:
            default = json.loads(json.dumps(settings.model_fields[name].default))
            assert default == published["default"], f"{settings.__name__}.{name}"


def _without_words(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_words(value) for key, value in node.items() if key not in ("description", "title")}
    return [_without_words(value) for value in node] if isinstance(node, list) else node
