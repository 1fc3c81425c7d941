"""The JSON Schema of experiment files: every table and key with its type, default and description."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from oceanpath.descriptions import describe
from oceanpath.models.registry import aggregator_settings
from oceanpath.settings import Settings
from oceanpath.stages.catalog import CATALOG

SCALARS = {
    "name": {
        "type": "string",
        "description": "Name of the experiment and of its results folder; default: the name of the file.",
    },
    "extends": {"type": "string", "description": "Base experiment file, whose keys this file overrides."},
    "seed": {"type": "integer", "default": 42, "description": "Seed of splits, training and resampling."},
}
VARIANT = {
    "type": "array",
    "description": "Variants of the experiment: each overrides keys of the file; common steps run once.",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "description": "Name of the variant."}},
        "required": ["name"],
    },
}


def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment file."""
    tables = {name: table_schema(table.keys) for name, table in CATALOG.tables.items() if table.keys}
    tables["model"] = {"anyOf": [table_schema(settings) for settings in aggregator_settings()]}
    tables |= {stage.name: table_schema(stage.settings_class) for stage in CATALOG.stages}
    shared = [part for table in tables.values() for part in (table, *table.get("anyOf", ()))]
    definitions = {name: value for part in shared for name, value in part.pop("$defs", {}).items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "OceanPath experiment",
        "type": "object",
        "properties": {**SCALARS, **tables, "variant": VARIANT},
        "additionalProperties": False,
        "$defs": definitions,
    }


def table_schema(settings: type[Settings]) -> dict[str, Any]:
    """The JSON Schema of one table: its keys, and the definitions to which they refer."""
    for part in (*_nested(settings), settings):
        describe(part)
    schema = settings.model_json_schema()
    own = {key: value for key, value in schema["properties"].items() if key in settings.own_keys()}
    definitions = _referenced(own, schema.get("$defs", {}))
    about = {"type": "object", "description": schema["description"], "additionalProperties": False}
    return {**about, "properties": own, "$defs": definitions}


def _referenced(node: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Those of the `definitions` to which a schema refers, directly or through others."""
    own = {name: value for name, value in definitions.items() if f"'#/$defs/{name}'" in str(node)}
    rest = {name: value for name, value in definitions.items() if name not in own}
    return own | _referenced(list(own.values()), rest) if own else {}


def _nested(settings: type[Settings]) -> list[type[Settings]]:
    """Settings classes of the fields of a settings class, and of their fields, which come first."""
    nested: list[type[Settings]] = []
    waiting: list[Any] = [field.annotation for field in settings.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if inspect.isclass(kind) and issubclass(kind, Settings) and kind not in nested:
            nested.append(kind)
            waiting += [field.annotation for field in kind.model_fields.values()]
    return nested[::-1]
