"""`oceanpath models list`, `oceanpath models verify`, `oceanpath models import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.table import paragraph
from oceanpath.errors import ExitCode, ExperimentError, GateError
from oceanpath.models.registry import aggregator_settings
from oceanpath.models.settings import ModelSettings

models = typer.Typer(help="List and check aggregators.", no_args_is_help=True, rich_markup_mode=None)
INDENT = "  "
SOURCES = ("mil-lab", "spinpath")


@models.callback()
def _models() -> None:
    """Aggregators."""


@models.command("list")
def list_models(as_json: JsonFlag = False) -> int:
    """List every aggregator with source, size, cost and keys."""
    if as_json:
        print(json.dumps([_facts(settings) for settings in aggregator_settings()]))
        return int(ExitCode.OK)
    for settings in aggregator_settings():
        fields = settings.model_fields
        keys = ", ".join(f"{key}={fields[key].default}" for key in settings.own_keys() if key != "name")
        size = f"{settings.parameters / 1e6:.2f} M parameters at 1024 features, " if settings.parameters else ""
        print(fields["name"].default)
        for text in ((settings.__doc__ or "").splitlines()[0], f"{size}cost {settings.cost or 'unknown'}", keys):
            print(paragraph(text, INDENT))
    return int(ExitCode.OK)


def _facts(settings: type[ModelSettings]) -> dict[str, Any]:
    """An aggregator as JSON values."""
    fields = settings.model_fields
    keys = {key: fields[key].get_default(call_default_factory=True) for key in settings.own_keys() if key != "name"}
    about = {"source": (settings.__doc__ or "").splitlines()[0], "parameters": settings.parameters}
    return {"name": fields["name"].default, **about, "cost": settings.cost, "keys": keys}


@models.command("verify")
def verify_models(
    name: str = typer.Argument("", metavar="[NAME|module:Class]", help="Aggregator; default: all."),
    as_json: JsonFlag = False,
) -> int:
    """Check the contract of aggregators: numerics, export and learning. Exit code 6 if a check fails."""
    from oceanpath.models.verify.trial import candidates, trial  # loads torch

    failed = []
    for model_name, model in candidates(name).items():
        print_result(model_name, {"model": model_name}, as_json=as_json)
        for verdict in trial(model):
            text = f"  {'pass' if verdict.holds else 'FAIL'}  {verdict.check:<28} {verdict.message}".rstrip()
            facts = {"check": verdict.check, "passed": verdict.holds, "message": verdict.message}
            print_result(text, {"model": model_name, **facts}, as_json=as_json)
            if not verdict.holds:
                failed.append(f"{model_name}: {verdict.check}")
    if failed:
        raise GateError("contract checks failed", got="; ".join(failed), do="The lines above show the details.")
    return int(ExitCode.OK)


@models.command("import")
def import_weights(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="mil-lab (ABMIL, FEATHER) or spinpath.")],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Its weights (.safetensors, .bin, .pt), or SpinPath's folder."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File for train.aggregator_weights.")],
    encoder: Annotated[
        str, typer.Option("--encoder", help="Encoder of the patch features; default: the one that SpinPath states.")
    ] = "",
    as_json: JsonFlag = False,
) -> int:
    """Convert published weights of another program into weights for train.aggregator_weights."""
    if source not in SOURCES:
        raise ExperimentError("unknown origin of weights", where="SOURCE", expected=" or ".join(SOURCES), got=source)
    prepare_file(out)
    if source == "spinpath":
        from oceanpath.models.spinpath import import_spinpath  # loads torch

        facts = import_spinpath(file, out, encoder)
    else:
        if not encoder:
            do = "Name it with --encoder; `oceanpath encoders list` shows the names."
            raise ExperimentError("the file does not state the encoder of its features", where=file, do=do)
        from oceanpath.models.mil_lab import import_mil_lab  # loads torch

        facts = import_mil_lab(file, out, encoder)
    model = {key: facts.model[key] for key in ("input_norm", "hidden", "attention")}
    lines = [f"{out}: {facts.model['name']} for {facts.in_dim} features of {facts.encoder}", "[model]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in model.items()]
    lines += ["The patients of its training are unknown: tested patients cannot be compared with them."]
    known = {"file": out, "in_dim": facts.in_dim, "encoder": facts.encoder, "model": facts.model}
    print_result("\n".join(lines), known, as_json=as_json)
    return int(ExitCode.OK)
