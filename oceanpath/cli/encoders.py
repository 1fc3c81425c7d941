"""`oceanpath encoders list` and `oceanpath encoders check NAME`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.table import paragraph, table
from oceanpath.errors import ExitCode, GateError
from oceanpath.plugins import load_plugins
from oceanpath.slides.encoders import ENCODERS, GROUP, build_encoder, prepare_encoder
from oceanpath.slides.encoders.hub import cached
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec

encoders = typer.Typer(help="List and check patch encoders.", no_args_is_help=True, rich_markup_mode=None)
HEAD = ("name", "dim", "patch", "access", "installed", "licence")
NOTE = "patch: pixels @ µm per pixel. gated: the owner grants access; set HF_TOKEN. Custom encoders: module:factory."


@encoders.callback()
def _encoders() -> None:
    """Patch encoders."""


@encoders.command("list")
def list_encoders(as_json: JsonFlag = False) -> int:
    """List every patch encoder. Feature length, patch, access, licence, and whether its weights are installed."""
    load_plugins(GROUP)
    rows = [_row(spec) for _, spec in sorted(ENCODERS.items())]
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
    name: Annotated[str, typer.Argument(metavar="NAME|module:factory", help="Name of an encoder, or a custom one.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")] = "auto",
    weights: Annotated[Path | None, typer.Option(help="Local weights file.")] = None,
    revision: Annotated[str, typer.Option(help="Commit of the hub repository.")] = "",
    as_json: JsonFlag = False,
) -> int:
    """Load an encoder and check its contract. Weights are downloaded if necessary; exit code 6 if a check fails."""
    from oceanpath.slides.encoders.contract import check_contract, patches_per_second  # loads numpy
    from oceanpath.slides.encoders.custom import load_custom

    options = EncoderOptions(weights=weights, revision=revision)
    prepare_encoder(name, options)  # reports a wrong name before a package is loaded
    encoder = load_custom(name, device, options) if ":" in name else build_encoder(name, device, options)
    failed = []
    for check in check_contract(encoder):
        text = f"  {'pass' if check.passed else 'FAIL'}  {check.name:<30} {check.detail}".rstrip()
        print_result(text, {"check": check.name, "passed": check.passed, "message": check.detail}, as_json=as_json)
        failed += [] if check.passed else [check.name]
    if failed:
        raise GateError("the encoder violates its contract", where=name, got="; ".join(failed))
    speed = patches_per_second(encoder)
    text = f"{encoder.name}: {encoder.dim} features, {speed:.1f} patches per second in batches of {encoder.batch_size}"
    if encoder.weights_sha256:
        text += f"\nweights: revision {encoder.revision}, sha256 {encoder.weights_sha256}"
    facts = {"encoder": encoder.name, "dim": encoder.dim, "patches_per_second": speed, "batch_size": encoder.batch_size}
    weights_facts = {"revision": encoder.revision, "weights_sha256": encoder.weights_sha256}
    print_result(text, facts | weights_facts, as_json=as_json)
    return int(ExitCode.OK)


def _cells(row: dict[str, Any]) -> list[str]:
    patch = f"{row['patch_px']} @ {row['mpp']:g}"
    installed = {True: "yes", False: "no", None: "-"}[row["weights_here"]]
    return [row["name"], str(row["dim"]), patch, row["access"], installed, row["licence"]]


def _row(spec: EncoderSpec) -> dict[str, Any]:
    installed = None if spec.hub is None else cached(spec.hub, spec.hub.revision) is not None
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "dim": spec.dim,
        "input_px": spec.input_px,
        "patch_px": spec.patch_px,
        "mpp": spec.mpp,
        "access": spec.access,
        "licence": spec.licence,
        "weights_here": installed,
        "repository": spec.hub.repo if spec.hub else None,
        "revision": spec.hub.revision if spec.hub else None,
        "source": spec.source,
    }
