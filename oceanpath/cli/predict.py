"""`oceanpath predict`: a bundle, and slides or their features → a table of predictions, and attention maps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from oceanpath import __version__
from oceanpath.cli.json_output import JsonFlag
from oceanpath.cli.ledger.history import Workspace
from oceanpath.cli.map_options import Attention, Contributions, Dicom, GeoJson, Heatmap, OmeTiff, OmeZarr
from oceanpath.cli.options import OUTPUTS
from oceanpath.cli.outputs import prepare_folders
from oceanpath.cli.prediction_table import PredictionTable, note_lines
from oceanpath.cli.serve import ExperimentFile, bundle_folder
from oceanpath.errors import ExitCode, ExperimentError, OceanPathError, StageError

if TYPE_CHECKING:
    import pandas as pd

    from oceanpath.artifacts.bundle.facts import Contract
    from oceanpath.cli.predict_maps import SlideMaps
    from oceanpath.serving.patient_inputs import PatientInput
    from oceanpath.serving.slide_engine import AnyEngine
    from oceanpath.serving.slide_inputs import SlideInput, Verify

Paths = Annotated[
    list[Path],
    typer.Argument(help="Feature files, stores or slides, or folders of them; the bundle may be named first."),
]


def predict(
    paths: Paths,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Bundle folder; default: that of the experiment.")
    ] = None,
    experiment: ExperimentFile = None,
    workspace: Workspace = OUTPUTS,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write, .csv or .parquet; default: print the table.")
    ] = None,
    members: Annotated[
        bool, typer.Option("--members", help="Add the predictions of each member of the ensemble.")
    ] = False,
    features_key: Annotated[
        str, typer.Option("--features-key", help="Name of the features array, if files contain several.")
    ] = "",
    patients: Annotated[
        Path | None,
        typer.Option("--patients", help="Table with slide_id and patient_id, for a bundle that predicts patients."),
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="Local file of the encoder's weights.")] = None,
    attention: Attention = None,
    heatmap: Heatmap = None,
    geojson: GeoJson = None,
    ome_tiff: OmeTiff = None,
    ome_zarr: OmeZarr = None,
    dicom: Dicom = None,
    contributions: Contributions = False,
    as_json: JsonFlag = False,
) -> int:
    """Predict slides or feature files with a bundle, or embed them; the results equal those of `serve`.

    A bundle of bags of patients (data.bag) predicts one row per patient of --patients, from all slides of the patient.
    With --out, finished slides are recorded in a journal next to the file, and a repeated command predicts only new and
    changed slides.
    """
    from oceanpath.artifacts.bundle.folder import read_bundle
    from oceanpath.cli.predict_slides import features_of
    from oceanpath.cli.published import Verifier
    from oceanpath.serving.engines import open_bundle
    from oceanpath.serving.journal import Journal
    from oceanpath.serving.offline import bundle_in, find_bundle, predict_slides
    from oceanpath.serving.patient_inputs import group_patients
    from oceanpath.serving.slide_inputs import find_inputs

    output, verify = PredictionTable(out), Verifier().verify
    output.prepare()
    folders = {"attention": attention, "heatmap": heatmap, "geojson": geojson}
    folders |= {"ome-tiff": ome_tiff, "ome-zarr": ome_zarr, "dicom": dicom}
    given = _checked_folders(folders, contributions=contributions)
    if bundle is None and experiment is None and bundle_in(paths[0]) is not None:
        bundle, *paths = paths
    place = find_bundle(bundle_folder(bundle, experiment, workspace))
    engine = open_bundle(read_bundle(place))
    unit, contract = _checked_unit(engine.facts.contract, patients, given, place), engine.facts.contract
    maps = _maps(given, engine, place, verify, explains=contributions)
    with TemporaryDirectory(prefix="oceanpath-") as scratch:
        prepared = features_of(paths, contract, workspace, weights, Path(scratch))
        _print_unused(prepared.features)
        slides = find_inputs(prepared.features, features_key, verify, contract.level)
        files = None if maps is None else _checked_maps(maps, prepared.slides, slides)
        settings = {"bundle": engine.facts.seal, "members": members, "features_key": features_key}
        settings |= {"contributions": True} if contributions else {}  # files without them are written again
        bags = slides if patients is None else group_patients(slides, patients, contract)
        with Journal(output.journal, settings | {"version": __version__}) as journal, _progress(bags) as shown:
            predicted = predict_slides(engine, shown, members=members, journal=journal, files=files)
    return _report(output, predicted.table, [*prepared.failures, *predicted.failures], as_json=as_json, unit=unit)


def _checked_unit(contract: Contract, patients: Path | None, folders: Mapping[str, Path], bundle: Path) -> str:
    """What is predicted, slides or patients. Raises: ExperimentError: --patients does not fit the bundle."""
    from oceanpath.serving.contract import require_single_slides

    if patients is None:
        require_single_slides(contract, bundle)
        return "slides"
    if contract.patient_bags is None:
        what, do = "the bundle predicts slides, not patients", "Leave out --patients."
        raise ExperimentError(what, where=bundle, got="--patients", do=do)
    if folders:
        given = ", ".join(f"--{option}" for option in folders)
        what = "attention maps of bags of patients are not drawn, because their coordinates are not those of one slide"
        raise ExperimentError(what, where=bundle, got=given, do=f"Leave out {given}.")
    return "patients"


def _checked_folders(options: Mapping[str, Path | None], *, contributions: bool) -> dict[str, Path]:
    """The folders of maps that were given. Raises: ExperimentError. MissingExtraError: a format needs a package."""
    from oceanpath.artifacts.score_images.formats import check_packages

    folders = {option: folder for option, folder in options.items() if folder is not None}
    prepare_folders(**folders)
    check_packages(folders)
    if contributions and not folders:
        do = "Name a folder, for example with --attention DIR."
        raise ExperimentError("contributions are part of maps, and none is requested", where="--contributions", do=do)
    return folders


def _maps(
    folders: Mapping[str, Path], engine: AnyEngine, bundle: Path, verify: Verify, *, explains: bool
) -> SlideMaps | None:
    """The writer of maps; None without folders. Raises: ExperimentError: no attention, or no contributions."""
    if not folders:
        return None
    from oceanpath.cli.predict_maps import SlideMaps, require_attention, require_contributions  # imports matplotlib

    require_attention(engine, bundle)
    if explains:
        require_contributions(engine, bundle)
    return SlideMaps(folders, verify, explains=explains)


def _checked_maps(maps: SlideMaps, extracted: Mapping[str, Path], slides: Sequence[SlideInput]) -> SlideMaps:
    """The writer of maps of these slides. Raises: ExperimentError: maps of some cannot be drawn."""
    maps = replace(maps, slides=extracted)
    maps.check(slides)
    return maps


def _print_unused(features: Sequence[Path]) -> None:
    """Print the files of folders of features that are not feature files."""
    from oceanpath.artifacts.features.folder import describe_unused, find_features
    from oceanpath.serving.slide_inputs import is_store

    for folder in (path for path in features if path.is_dir() and not is_store(path)):
        if others := describe_unused(folder, find_features(folder).values()):
            print(f"not read in {folder}: {others}", file=sys.stderr)


@contextmanager
def _progress(
    slides: Sequence[SlideInput | PatientInput],
) -> Iterator[Iterable[SlideInput | PatientInput]]:
    """The slides, counted on a terminal with the remaining time."""
    if not sys.stderr.isatty():
        yield slides
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("predicting"), progress.BarColumn(12), progress.MofNCompleteColumn())
    console = Console(stderr=True)
    with progress.Progress(*columns, progress.TimeRemainingColumn(), console=console, transient=True) as bars:
        yield bars.track(slides)


def _report(
    output: PredictionTable, table: pd.DataFrame, failures: Sequence[OceanPathError], *, as_json: bool, unit: str
) -> int:
    """Write the table, and print its notes and the `unit` that failed; as JSON, its rows are printed.

    Raises: StageError: some failed.
    """
    if as_json:
        print(table.to_json(orient="records", double_precision=15))
    if output.path is not None or not as_json:
        output.write(table)
    for line in note_lines(table):
        print(line, file=sys.stderr)
    for failure in failures:
        print(f"failed: {failure.render()}", file=sys.stderr)
    if output.path is not None:
        print(f"{len(table)} {unit} -> {output.path}", file=sys.stderr)
    if failures:
        what, got = f"some {unit} could not be predicted", f"{len(failures)} of {len(table) + len(failures)}"
        raise StageError(what, got=got, do="Correct them, then run the same command again.")
    return int(ExitCode.OK)
