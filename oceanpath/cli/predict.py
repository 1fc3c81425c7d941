"""`oceanpath predict`: a bundle, and slides or their features → a table of predictions."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.outputs import prepare_file
from oceanpath.cli.serve import ExperimentFile, bundle_folder
from oceanpath.errors import ExitCode, StageError, shorten_list

if TYPE_CHECKING:
    import pandas as pd

Paths = Annotated[list[Path], typer.Argument(help="Feature files or slides, or folders of them.")]


def predict(
    paths: Paths,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Bundle folder; default: that of the experiment.")
    ] = None,
    experiment: ExperimentFile = None,
    workspace: Workspace = OUTPUTS,
    out: Annotated[Path | None, typer.Option("--out", help="CSV file to write; default: print the table.")] = None,
    members: Annotated[
        bool, typer.Option("--members", help="Add the probabilities of each member of the ensemble.")
    ] = False,
    features_key: Annotated[
        str, typer.Option("--features-key", help="Name of the features array, if files contain several.")
    ] = "",
    weights: Annotated[Path | None, typer.Option("--weights", help="Local file of the encoder's weights.")] = None,
) -> int:
    """Predict slides or feature files with a bundle, or embed them; the results equal those of `serve`."""
    from oceanpath.artifacts.bundle.folder import read_bundle
    from oceanpath.artifacts.features.folder import describe_unused, find_features
    from oceanpath.cli.predict_slides import features_of
    from oceanpath.serving.embedder import open_bundle
    from oceanpath.serving.offline import answer_table, find_bundle

    if out is not None:
        prepare_file(out)
    engine = open_bundle(read_bundle(find_bundle(bundle_folder(bundle, experiment, workspace))))
    with TemporaryDirectory(prefix="oceanpath-") as scratch:
        features = features_of(paths, engine.facts.contract, workspace, weights, Path(scratch))
        for folder in (path for path in features if path.is_dir()):
            if others := describe_unused(folder, find_features(folder).values()):
                print(f"not read in {folder}: {others}", file=sys.stderr)
        _verify_published(features)
        table = answer_table(engine, features, members=members, features_key=features_key)
    try:
        table.to_csv(out or sys.stdout, index=False)
    except OSError as error:
        raise StageError("the table cannot be written", where=out or "stdout", got=error) from error
    for line in note_lines(table):
        print(line, file=sys.stderr)
    if out is not None:
        print(f"{len(table)} slides -> {out}", file=sys.stderr)
    return int(ExitCode.OK)


def _verify_published(features: Iterable[Path]) -> None:
    """Compare features that OceanPath published with their digests. Raises: ArtifactError: some differ."""
    from oceanpath.artifacts.features.folder import find_features
    from oceanpath.artifacts.gather import is_published
    from oceanpath.pipeline.integrity import verify_files

    for path in features:
        folder, files = (path, find_features(path).values()) if path.is_dir() else (path.parent, [path])
        if is_published(folder):
            verify_files(folder, [file.relative_to(folder).as_posix() for file in files])


def note_lines(table: pd.DataFrame) -> list[str]:
    """Notes on the predictions, each printed once with its slides."""
    slides_of: dict[str, list[str]] = {}
    for slide, notes in zip(table["slide_id"], table["notes"], strict=True):
        for note in filter(None, notes.split("; ")):
            slides_of.setdefault(note, []).append(slide)
    return [f"{_named(slides, len(table))}: {note}" for note, slides in slides_of.items()]


def _named(slides: list[str], total: int) -> str:
    if len(slides) == 1:
        return f"slide {slides[0]}"
    return f"{len(slides)} of {total} slides ({shorten_list(slides)})"
