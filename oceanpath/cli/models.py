"""`oceanpath models list`, `oceanpath models verify`."""

from __future__ import annotations

import typer

from oceanpath.cli.table import paragraph
from oceanpath.errors import ExitCode, GateError
from oceanpath.models.registry import aggregator_settings

models = typer.Typer(help="List and check aggregators.", no_args_is_help=True, rich_markup_mode=None)
INDENT = "  "


@models.callback()
def _models() -> None:
    """Aggregators."""


@models.command("list")
def list_models() -> int:
    """List every aggregator with source, size, cost and keys."""
    for settings in aggregator_settings():
        fields = settings.model_fields
        keys = ", ".join(f"{key}={fields[key].default}" for key in settings.own_keys() if key != "name")
        size = f"{settings.parameters / 1e6:.2f} M parameters at 1024 features, " if settings.parameters else ""
        print(fields["name"].default)
        for text in ((settings.__doc__ or "").splitlines()[0], f"{size}cost {settings.cost or 'unknown'}", keys):
            print(paragraph(text, INDENT))
    return int(ExitCode.OK)


@models.command("verify")
def verify_models(
    name: str = typer.Argument("", metavar="[NAME|module:Class]", help="Aggregator; default: all."),
) -> int:
    """Check the contract of aggregators: numerics, export and learning. Exit code 6 if a check fails."""
    from oceanpath.models.verify.trial import candidates, trial  # loads torch

    failed = []
    for model_name, model in candidates(name).items():
        print(model_name)
        for verdict in trial(model):
            print(
                f"  {'pass' if verdict.holds else 'FAIL'}  {verdict.check:<28} {verdict.message}".rstrip(), flush=True
            )
            if not verdict.holds:
                failed.append(f"{model_name}: {verdict.check}")
    if failed:
        raise GateError("contract checks failed", got="; ".join(failed), do="The lines above show the details.")
    return int(ExitCode.OK)
