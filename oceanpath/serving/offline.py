"""The verb `predict`: a bundle and feature files → a table. The same engine as the server, so the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.bundle import FACTS
from oceanpath.artifacts.features import find_features, read_features, scan_features
from oceanpath.artifacts.ids import slide_id
from oceanpath.artifacts.predictions import prob_columns
from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError
from oceanpath.serving.engine import Engine


def find_bundle(path: Path) -> Path:
    """The bundle's folder: `path` itself, or the one folder named ``export`` or ``bundle`` in it.

    Raises: ExperimentError: there is no bundle.
    """
    for folder in (path, path / "export", path / "bundle"):
        if (folder / FACTS).is_file():
            return folder
    do = "Give the folder that `oceanpath export` published."
    raise ExperimentError("no bundle here", where=path, expected=f"a folder with {FACTS}", do=do)


def predict_table(engine: Engine, paths: Sequence[Path]) -> pd.DataFrame:
    """The answers for feature files, and for every feature file below the folders, among `paths`.

    Returns:
        One row a slide, sorted by slide_id: slide_id, n_patches, prob_<class> (float64, in class order), predicted,
        decision (only where the bundle has a threshold).

    Raises: ExperimentError: nothing to predict, or a slide is given twice. ArtifactError: a file cannot be answered;
        the error names it.
    """
    rows = [_row(engine, name, path) for name, path in sorted(_files(paths).items())]
    columns = ["slide_id", "n_patches", *prob_columns(engine.facts.classes), "predicted", "decision"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame if engine.facts.threshold.value is not None else frame.drop(columns="decision")


def _row(engine: Engine, name: str, path: Path) -> list[object]:
    try:
        scanned = scan_features(path)
        answer = engine.predict(read_features(scanned)[0], scanned.encoder)
    except OceanPathError as error:
        if error.where:
            raise
        raise ArtifactError(error.what, where=path, expected=error.expected, got=error.got, do=error.do) from error
    return [name, answer.n_patches, *map(float, answer.probabilities), answer.predicted, answer.decision]


def _files(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        named = find_features(path) if path.is_dir() else {slide_id(path): path}
        for name, place in named.items():
            if name in found and found[name].resolve() != place.resolve():
                raise ExperimentError("two files have one slide id", where=name, got=f"{found[name]} and {place}")
            found[name] = place
    if not found:
        raise ExperimentError("nothing to predict", do="Give feature files, or a folder of them.")
    return found
