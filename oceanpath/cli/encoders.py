"""`oceanpath encoders list` and `oceanpath encoders check NAME`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExitCode, GateError
from oceanpath.plugins import load_plugins
from oceanpath.slides.encoders import ENCODERS, GROUP, build_encoder, prepare_encoder
from oceanpath.slides.encoders.hub import cached
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec

encoders = typer.Typer(help="List and check patch encoders.", no_args_is_help=True, rich_markup_mode=None)
HEAD = ("name", "dim", "patch", "access", "installed", "licence")
NOTE = "patch: pixels @ µm per pixel. gated: the owner grants access; set HF_TOKEN. Your own encoder: module:factory."


@encoders.callback()
def _encoders() -> None:
    """Patch encoders."""


@encoders.command("list")
def list_encoders(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> int:
    """List every patch encoder: feature length, patch, access, licence, and whether its weights are installed."""
    load_plugins(GROUP)
    rows = [_row(card) for _, card in sorted(ENCODERS.items())]
    if as_json:
        print(json.dumps(rows, indent=2))
        return int(ExitCode.OK)
    print(table(HEAD, [_cells(row) for row in rows], text=("licence",)))
    print(f"\n{paragraph(NOTE)}\n\nOther names")
    for row in rows:
        if row["aliases"]:
            print(paragraph(f"{row['name']}: {', '.join(row['aliases'])}", "  "))
    return int(ExitCode.OK)


@encoders.command("check")
def check_encoder(
    name: Annotated[str, typer.Argument(metavar="NAME|module:factory", help="Name of an encoder, or your own.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    weights: Annotated[Path | None, typer.Option(help="Local file of weights.")] = None,
    revision: Annotated[str, typer.Option(help="Commit of the hub repository.")] = "",
) -> int:
    """Load an encoder, with a download if necessary, and check its contract. Exit code 6 if it breaks it."""
    from oceanpath.slides.encoders.contract import check_contract, patches_per_second  # loads numpy
    from oceanpath.slides.encoders.custom import load_own

    options = EncoderOptions(weights=weights, revision=revision)
    prepare_encoder(name, options)  # a wrong word is told before any package is loaded for it
    encoder = load_own(name, device, options) if ":" in name else build_encoder(name, device, options)
    broken = []
    for verdict in check_contract(encoder):
        print(f"  {'pass' if verdict.holds else 'FAIL'}  {verdict.law:<30} {verdict.said}".rstrip(), flush=True)
        broken += [] if verdict.holds else [verdict.law]
    if broken:
        raise GateError("the encoder breaks its contract", where=name, got="; ".join(broken), do="See the lines above.")
    speed = patches_per_second(encoder)
    print(f"{encoder.name}: {encoder.dim} features, {speed:.1f} patches a second in calls of {encoder.batch_size}")
    if encoder.weights_sha256:
        print(f"weights: revision {encoder.revision}, sha256 {encoder.weights_sha256}")
    return int(ExitCode.OK)


def _cells(row: dict[str, Any]) -> list[str]:
    patch = f"{row['patch_px']} @ {row['mpp']:g}"
    installed = {True: "yes", False: "no", None: "-"}[row["weights_here"]]
    return [row["name"], str(row["dim"]), patch, row["access"], installed, row["licence"]]


def _row(card: EncoderSpec) -> dict[str, Any]:
    here = None if card.hub is None else cached(card.hub, card.hub.revision) is not None
    return {
        "name": card.name,
        "aliases": list(card.aliases),
        "dim": card.dim,
        "input_px": card.input_px,
        "patch_px": card.patch_px,
        "mpp": card.mpp,
        "access": card.access,
        "licence": card.licence,
        "weights_here": here,
        "repository": card.hub.repo if card.hub else None,
        "revision": card.hub.revision if card.hub else None,
        "source": card.source,
    }
