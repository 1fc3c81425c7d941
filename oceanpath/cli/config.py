"""`oceanpath config`: show and check experiment files."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import tomli_w
import typer

from oceanpath.cli.json_output import print_result
from oceanpath.cli.options import EXPERIMENT, FILE, JSON, SETS, WORKSPACE, Common, named, signed
from oceanpath.cli.preflight import check_preflight
from oceanpath.errors import ExitCode
from oceanpath.pipeline.experiment import Experiment, Variant
from oceanpath.pipeline.plan import plan
from oceanpath.settings import Settings

app = typer.Typer(help="Show and check experiment files.", no_args_is_help=True, rich_markup_mode=None)


def _show(experiment: Experiment, *, as_json: bool) -> int:
    """Print every key of an experiment with its value or default."""
    if as_json:
        print(json.dumps({variant.name: _resolved(experiment, variant) for variant in experiment.variants}))
        return int(ExitCode.OK)
    print(tomli_w.dumps(_resolved(experiment, experiment.base)), end="")
    for variant in experiment.variants[1:]:
        print(f"\n# variant {variant.name}\n" + tomli_w.dumps(_resolved(experiment, variant)), end="")
    return int(ExitCode.OK)


def _validate(experiment: Experiment, *, as_json: bool) -> int:
    """Check an experiment file and its data without running anything."""
    planned = plan(experiment)
    check_preflight(planned, {}, as_json=as_json)
    steps = [step.name for step in planned.steps]
    text = f"{experiment.path.name}: valid; {len(steps)} steps: {', '.join(steps)}"
    print_result(text, {"experiment": experiment.name, "steps": steps}, as_json=as_json)
    return int(ExitCode.OK)


def schema() -> int:
    """Print the JSON Schema of experiment files, for editors."""
    from oceanpath.cli.schema import experiment_schema

    print(json.dumps(experiment_schema(), indent=2))
    return int(ExitCode.OK)


def _resolved(experiment: Experiment, variant: Variant) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": experiment.name, **variant.scalars}
    for name, table in variant.shared.items():
        tree[name] = table.model_dump(mode="json", exclude_none=True, serialize_as_any=True, exclude=_hidden(table))
    for stage in experiment.catalog.stages:
        if variant.has(stage):
            settings = variant.settings(stage)
            own = set(settings.own_keys()) - _hidden(settings)
            tree[stage.name] = settings.model_dump(mode="json", exclude_none=True, include=own)
    return tree


def _hidden(table: Settings) -> set[str]:
    """Keys that may not be set next to the other values, and old keys without effect."""
    return table.keys_not_allowed() | set(table.replaced_keys())


def _verb(call: Callable[..., int]) -> Callable[..., int]:
    def command(**values: Any) -> int:
        loaded = Common(named(values), tuple(values["sets"] or ()), values["workspace"]).load()
        return call(loaded, as_json=values["as_json"])

    return signed(command, (FILE, EXPERIMENT, SETS, WORKSPACE, JSON))


app.command("show", help=_show.__doc__)(_verb(_show))
app.command("validate", help=_validate.__doc__)(_verb(_validate))
app.command("schema")(schema)
