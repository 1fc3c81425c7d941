"""`oceanpath features inspect` and `oceanpath features convert`: feature files of any supported layout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.outputs import prepare_folder
from oceanpath.errors import ArtifactError, ExitCode, ExperimentError, OceanPathError, refuse

if TYPE_CHECKING:
    from oceanpath.artifacts.features.conversion import ConvertedBag, StatedGrid

features = typer.Typer(help="Inspect and convert feature files.", no_args_is_help=True, rich_markup_mode=None)
Source = Annotated[Path, typer.Argument(metavar="PATH", help="Feature file, or a folder of them.")]
Key = Annotated[str, typer.Option("--features-key", help="Name of the features array, if files contain several.")]


class Layout(StrEnum):
    """Layouts that can be written."""

    OCEANPATH = "oceanpath"
    TRIDENT = "trident"
    CLAM = "clam"


@features.callback()
def _features() -> None:
    """Feature files."""


@features.command("inspect")
def inspect_features(
    path: Source,
    features_key: Key = "",
    deep: Annotated[bool, typer.Option("--deep", help="Also read every row, and check that it is finite.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Print what is recognised in feature files. Exit code 4 if a file cannot be read."""
    from oceanpath.artifacts.features.summary import count_files, summarise_features

    files = _files(path)
    summary = summarise_features(files, features_key)
    damaged = dict(_damaged(summary.layouts, files, features_key)) if deep else {}
    one = next(iter(summary.layouts.values())) if len(summary.layouts) == 1 else None
    if as_json:
        record = {**summary.record(), "damaged": damaged, "read_completely": deep}
        print(json.dumps({**record, **({"provenance": asdict(one.provenance)} if one else {})}, indent=2))
        return int(ExitCode.ARTIFACT if summary.unreadable or damaged else ExitCode.OK)
    print(f"{path}: {count_files(len(files), 'feature file')}")
    for line in summary.lines():
        print(f"  {line}")
    for name, value in asdict(one.provenance).items() if one else ():
        if value not in ("", None):
            print(f"  {name}: {value}")
    _print_other_files(path, files)
    refuse([ArtifactError(reason) for reason in (*summary.unreadable.values(), *damaged.values())])
    return int(ExitCode.OK)


@features.command("convert")
def convert_features(
    path: Source,
    to: Annotated[Layout, typer.Option("--to", help="Layout to write.")] = Layout.OCEANPATH,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")] = Path("features"),
    features_key: Key = "",
    encoder: Annotated[str, typer.Option(help="Encoder, if files do not state it.")] = "",
    magnification: Annotated[float | None, typer.Option(min=0.1, help="Magnification, if not stated.")] = None,
    patch_px: Annotated[int | None, typer.Option(min=1, help="Side of a patch in pixels, if not stated.")] = None,
    overlap_px: Annotated[int, typer.Option(min=0, help="Overlap of patches, for TRIDENT's folder names.")] = 0,
    as_json: JsonFlag = False,
) -> int:
    """Write feature files in the layout of OceanPath, TRIDENT or CLAM. Rows and values are kept."""
    from oceanpath.artifacts.features.conversion import LAYOUTS, StatedGrid

    prepare_folder(out)
    files = _files(path)
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise ExperimentError("the output is inside the folder that is read", where=f"--out {out}", got=path)
    stated = StatedGrid(encoder, magnification, patch_px, overlap_px)
    problems, written = list[OceanPathError](), 0
    for bag in _bags(files, features_key, stated, problems):
        try:
            LAYOUTS[to.value](bag, out)
            written += 1
        except OceanPathError as error:
            problems.append(error)
    facts = {"written": written, "files": len(files), "folder": out, "layout": to.value}
    print_result(f"{written} of {len(files)} files -> {out} ({to.value})", facts, as_json=as_json)
    refuse(problems)
    return int(ExitCode.OK)


def _files(path: Path) -> Mapping[str, Path]:
    """Slide id → file, of a folder or of one file."""
    from oceanpath.artifacts.cohort.ids import slide_id
    from oceanpath.artifacts.features.folder import find_features
    from oceanpath.artifacts.features.sources import READABLE

    if not path.exists():
        raise ExperimentError("there is no such file or folder", where=path)
    if path.is_file() and path.suffix.lower() not in READABLE:
        raise ExperimentError("not a known feature file", where=path, expected=" ".join(READABLE))
    return {slide_id(path): path} if path.is_file() else find_features(path)


def _print_other_files(path: Path, files: Mapping[str, Path]) -> None:
    from oceanpath.artifacts.features.folder import describe_unused

    if path.is_dir() and (others := describe_unused(path, files.values())):
        print(f"  other files, not read: {others}")


def _damaged(layouts: Mapping[str, Any], files: Mapping[str, Path], key: str) -> Iterator[tuple[str, str]]:
    """(slide id, reason) of each file whose rows cannot be read or are not finite."""
    from oceanpath.artifacts.features.files import read_features, scan_features

    for name in layouts:
        try:
            read_features(scan_features(files[name], key))
        except ArtifactError as error:
            yield name, error.render()


def _bags(
    files: Mapping[str, Path], key: str, stated: StatedGrid, problems: list[OceanPathError]
) -> Iterator[ConvertedBag]:
    """The bag of each file that can be read; errors are added to `problems`."""
    from oceanpath.artifacts.features.conversion import ConvertedBag
    from oceanpath.artifacts.features.files import read_features, scan_features

    for number, path in enumerate(files.values(), 1):
        try:
            file = scan_features(path, key)
            values, coords = read_features(file)
        except ArtifactError as error:
            problems.append(error)
            continue
        if number % 100 == 0:
            print(f"convert: {number} of {len(files)} files", file=sys.stderr, flush=True)
        yield ConvertedBag(file, values, coords, stated)
