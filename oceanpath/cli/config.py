"""`oceanpath config`: the experiment as it is understood."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tomli_w
import typer

from oceanpath.cli.ahead import refuse_known
from oceanpath.cli.options import EXPERIMENT, FILE, SETS, Common, signed
from oceanpath.errors import ExitCode
from oceanpath.models.registry import aggregator_settings
from oceanpath.pipeline.experiment import Experiment, Variant
from oceanpath.pipeline.plan import plan
from oceanpath.stages.catalog import CATALOG

app = typer.Typer(help="The experiment as it is understood.", no_args_is_help=True, rich_markup_mode=None)


def _show(experiment: Experiment) -> int:
    """Print the resolved file: every key with the value it has, defaults included."""
    print(tomli_w.dumps(_resolved(experiment, experiment.base)), end="")
    for variant in experiment.variants[1:]:
        print(f"\n# variant {variant.name}\n" + tomli_w.dumps(_resolved(experiment, variant)), end="")
    return int(ExitCode.OK)


def _validate(experiment: Experiment) -> int:
    """Check the file, its graph and its data without running anything."""
    made = plan(experiment)
    refuse_known(made, {})
    print(f"{experiment.path.name}: valid; {len(made.steps)} steps: {', '.join(step.name for step in made.steps)}")
    return int(ExitCode.OK)


def schema() -> int:
    """Print the JSON Schema of experiment files, for editors."""
    tables = {name: table.keys.model_json_schema() for name, table in CATALOG.tables.items() if table.keys}
    tables["model"] = {"anyOf": [settings.model_json_schema() for settings in aggregator_settings()]}
    for stage in CATALOG.stages:
        whole = stage.settings.model_json_schema()
        own = {key: value for key, value in whole["properties"].items() if key in stage.settings.own_keys()}
        kept = {key: value for key, value in whole.items() if key not in ("properties", "required")}
        tables[stage.name] = {**kept, "properties": own}
    scalars = {"name": {"type": "string"}, "extends": {"type": "string"}, "seed": {"type": "integer"}}
    variant = {"type": "array", "items": {"type": "object", "required": ["name"]}}
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "OceanPath experiment",
        "type": "object",
    }
    print(
        json.dumps(
            {**head, "properties": {**scalars, **tables, "variant": variant}, "additionalProperties": False}, indent=2
        )
    )
    return int(ExitCode.OK)


def _resolved(experiment: Experiment, variant: Variant) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": experiment.name, **variant.scalars}
    for name, table in variant.shared.items():
        tree[name] = table.model_dump(mode="json", exclude_none=True, serialize_as_any=True)
    for stage in experiment.catalog.stages:
        if variant.has(stage):
            own = set(stage.settings.own_keys())
            tree[stage.name] = variant.settings(stage).model_dump(mode="json", exclude_none=True, include=own)
    return tree


def _verb(call: Callable[[Experiment], int]) -> Callable[..., int]:
    def command(**values: Any) -> int:
        path: Path | None = values["file"] or values["experiment"]
        return call(Common(path, tuple(values["sets"] or ())).load())

    return signed(command, (FILE, EXPERIMENT, SETS))


app.command("show", help=_show.__doc__)(_verb(_show))
app.command("validate", help=_validate.__doc__)(_verb(_validate))
app.command("schema")(schema)
