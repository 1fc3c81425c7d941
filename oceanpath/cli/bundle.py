"""`oceanpath bundle`: the metadata of exported bundles, their digests, differences of two, and SpinPath."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from oceanpath.artifacts.spinpath import ENCODERS
from oceanpath.cli.experiments import print_status
from oceanpath.cli.json_output import JsonFlag, print_result
from oceanpath.cli.table import table
from oceanpath.errors import ExitCode

if TYPE_CHECKING:
    from oceanpath.artifacts.bundle.facts import ModelFacts

bundle = typer.Typer(help="Show, verify and compare exported bundles.", no_args_is_help=True, rich_markup_mode=None)
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle, or its parent.")]


@bundle.callback()
def _bundle() -> None:
    """Exported bundles."""


@bundle.command()
def show(path: BundlePath, as_json: JsonFlag = False) -> int:
    """Print the model card, or with --json the metadata of the bundle."""
    from oceanpath.artifacts.bundle.folder import CARD, read_bundle
    from oceanpath.serving.offline import find_bundle

    opened = read_bundle(find_bundle(path))
    if as_json:
        print(json.dumps(opened.facts.model_dump(mode="json"), indent=2, sort_keys=True))
        return int(ExitCode.OK)
    print((opened.path / CARD).read_text(encoding="utf-8"))
    print(table(("file", "sha256"), sorted(opened.facts.files.items())))
    return int(ExitCode.OK)


@bundle.command()
def verify(path: BundlePath, as_json: JsonFlag = False) -> int:
    """Compare files with their digests and the model with its reference output. Exit code 4 if something differs."""
    from oceanpath.artifacts.bundle.folder import FACTS, read_bundle
    from oceanpath.serving.engines import open_bundle
    from oceanpath.serving.offline import find_bundle

    opened = read_bundle(find_bundle(path))
    open_bundle(opened)
    files = {FACTS: opened.facts.seal, **opened.facts.files}
    if as_json:
        parity = [case._asdict() for case in parity_cases(opened.facts)]
        print(json.dumps({"model": opened.facts.name, "files": files, "parity": parity}))
        return int(ExitCode.OK)
    print(table(("file", "sha256", "state"), [(name, digest, "matches") for name, digest in sorted(files.items())]))
    print("The model reproduces its reference output on this machine.")
    cases = [(case.format, str(case.patches), f"{case.difference:.1e}") for case in parity_cases(opened.facts)]
    print(table(("format", "patches", "largest difference from PyTorch at the export"), cases))
    return int(ExitCode.OK)


class WorstCase(NamedTuple):
    """The largest difference from PyTorch for one format and number of patches."""

    format: str
    patches: int
    difference: float


def parity_cases(facts: ModelFacts) -> list[WorstCase]:
    """The largest difference per format and number of patches, over the batch sizes."""
    worst: dict[tuple[str, int], float] = {}
    for case in facts.parity.cases:
        key = (case.format, case.patches)
        worst[key] = max(worst.get(key, 0.0), case.difference)
    return [WorstCase(*key, value) for key, value in worst.items()]


@bundle.command()
def diff(a: BundlePath, b: BundlePath, as_json: JsonFlag = False) -> int:
    """Print the keys of the metadata in which two bundles differ."""
    from oceanpath.artifacts.bundle.differences import compare_facts
    from oceanpath.artifacts.bundle.folder import read_bundle
    from oceanpath.serving.offline import find_bundle

    differences = compare_facts(*(read_bundle(find_bundle(path)).facts for path in (a, b)))
    if as_json:
        print(json.dumps({difference.key: [difference.a, difference.b] for difference in differences}))
    elif differences:
        rows = [(key, _shown(old), _shown(new)) for key, old, new in differences]
        print(table(("key", str(a), str(b)), rows, text=(str(a), str(b))))
    else:
        print("The bundles have the same contents.")
    return int(ExitCode.OK)


@bundle.command("export-spinpath")
def export_spinpath(
    path: BundlePath,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the model.")],
    as_json: JsonFlag = False,
) -> int:
    """Write the model of a bundle as SpinPath runs it: config.json and torchscript_model.pt."""
    from oceanpath.cli.outputs import prepare_new_folder
    from oceanpath.serving.offline import find_bundle
    from oceanpath.stages.export.spinpath import write_spinpath

    prepare_new_folder(out)
    config = write_spinpath(find_bundle(path), out)
    labels = ", ".join(config.class_names)
    facts = {"folder": out, "labels": config.class_names, "patch_size_um": config.patch_size_um}
    print_result(f"{out}: labels {labels}; patches of {config.patch_size_um:g} µm", facts, as_json=as_json)
    if config.feature_extractor not in ENCODERS:
        known = ", ".join(ENCODERS)
        print_status(f"note: SpinPath has no feature extractor {config.feature_extractor}, only {known}", quiet=False)
    print_status("note: the model has no threshold: SpinPath prints probabilities only", quiet=False)
    return int(ExitCode.OK)


def _shown(value: Any) -> str:
    """A value of bundle.json; texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value)
