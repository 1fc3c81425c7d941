"""The JSON Schema of experiment files: every table and key with its type, default and description.

Descriptions are the docstrings below the fields of the settings classes. They are read from the source in this module;
pydantic would read them when a class is created, which would add a third to the start of every command.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

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
    tables |= {stage.name: table_schema(stage.settings) for stage in CATALOG.stages}
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
    definitions = {name: value for name, value in schema.get("$defs", {}).items() if f"#/$defs/{name}" in str(own)}
    about = {"type": "object", "description": schema["description"], "additionalProperties": False}
    return {**about, "properties": own, "$defs": definitions}


def describe(settings: type[Settings]) -> None:
    """Give every field of a settings class its docstring as description."""
    texts = docstrings(settings)
    for name, field in settings.model_fields.items():
        field.description = texts.get(name)
    settings.model_rebuild(force=True)


def docstrings(settings: type[Settings]) -> dict[str, str]:
    """Field → the text below it, or below the same field of a base class."""
    texts: dict[str, str] = {}
    for part in reversed(settings.__mro__):
        if issubclass(part, Settings) and part is not Settings:
            texts |= dict(_documented(part))
    return texts


def _documented(settings: type[Settings]) -> Iterator[tuple[str, str]]:
    body = ast.parse(textwrap.dedent(inspect.getsource(settings))).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
            yield field.target.id, inspect.cleandoc(text.value.value)


def _nested(settings: type[Settings]) -> set[type[Settings]]:
    """Settings classes of the fields of a settings class."""
    nested: set[type[Settings]] = set()
    waiting: list[Any] = [field.annotation for field in settings.model_fields.values()]
    while waiting:
        kind = waiting.pop()
        waiting += get_args(kind)
        if inspect.isclass(kind) and issubclass(kind, Settings):
            nested.add(kind)
    return nested
