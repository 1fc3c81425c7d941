"""`oceanpath hub push|pull`: bundles and pretrained weights on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oceanpath.cli.experiments import print_status
from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_folder
from oceanpath.errors import ExitCode, ExperimentError

hub = typer.Typer(
    help="Upload and download bundles and pretrained weights.", no_args_is_help=True, rich_markup_mode=None
)
RepoAddress = Annotated[str, typer.Argument(metavar="ADDRESS", help="hf://OWNER/NAME, or with @REVISION.")]


@hub.callback()
def _hub() -> None:
    """The Hugging Face hub, or the server that HF_ENDPOINT names."""


@hub.command()
def push(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder of a bundle, or aggregator.safetensors.")],
    address: RepoAddress,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public; default: private.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Upload a bundle or pretrained weights in one commit."""
    from oceanpath.artifacts import hub as repositories
    from oceanpath.serving.offline import find_bundle

    target = repositories.parse_address(address)
    files = repositories.files_to_push(find_bundle(source) if source.is_dir() else source)
    for name, path in files.items():
        print_status(f"{name}: {path.stat().st_size / 2**20:.2f} MB", quiet=False)
    commit = repositories.push(files, target, public=public)
    pushed = f"hf://{target.repo}@{commit}"
    print_result(pushed, {"address": pushed, "files": list(files)}, as_json=as_json)
    return int(ExitCode.OK)


@hub.command()
def pull(
    address: RepoAddress,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the files.")],
    as_json: JsonFlag = False,
) -> int:
    """Download a bundle or pretrained weights, and compare them with their digests."""
    from oceanpath.artifacts import hub as repositories

    target = repositories.parse_address(address)
    if out.exists():
        raise ExperimentError("the folder exists", where=f"--out {out}", do="Name another with --out.")
    prepare_folder(out.resolve().parent)
    commit = repositories.pull(target, out.resolve())
    pulled = f"hf://{target.repo}@{commit}"
    print_result(f"{out}: {pulled}", {"address": pulled, "folder": out}, as_json=as_json)
    return int(ExitCode.OK)
