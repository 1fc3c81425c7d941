"""The verb `predict`: a bundle and feature files → a table. The same engine as the server, so the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.bundle.folder import FACTS
from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.features.files import FeatureFile, find_features, read_features, scan_features
from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError
from oceanpath.serving.engine import Engine
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.tasks.probabilities import prob_columns


def find_bundle(path: Path) -> Path:
    """The bundle's folder: `path` itself, or the one folder named ``export`` or ``bundle`` in it.

    Raises: ExperimentError: there is no bundle.
    """
    for folder in (path, path / "export", path / "bundle"):
        if (folder / FACTS).is_file():
            return folder
    do = "Give the folder that `oceanpath export` published."
    raise ExperimentError("no bundle here", where=path, expected=f"a folder with {FACTS}", do=do)


def predict_table(
    engine: Engine, paths: Sequence[Path], *, members: bool = False, features_key: str = ""
) -> pd.DataFrame:
    """The answers for feature files, and for every feature file below the folders, among `paths`.

    A slide goes by the id in its file, else by the name of its file. `features_key` names the array of features where
    files hold several.

    Returns:
        One row per slide, sorted by slide_id: slide_id, n_patches, prob_<class> (float64, in class order), predicted,
        decision (only where the bundle has a threshold), n_used (patches within the model's cap), in_training, notes
        (text); with `members` also prob_<class>_fold<k>, what each member says alone.

    Raises: ExperimentError: nothing to predict, or a slide is given twice. ArtifactError: a file cannot be answered;
        the error names it.
    """
    rows: dict[str, dict[str, object]] = {}
    for name, path in _files(paths).items():
        row = _row(engine, name, scan_features(path, features_key), members=members)
        slide = str(row["slide_id"])
        if slide in rows:
            raise ExperimentError("two files have one slide id inside", where=slide, got=path, do="Give it once.")
        rows[slide] = row
    frame = pd.DataFrame([rows[slide] for slide in sorted(rows)])
    return frame if engine.facts.threshold.value is not None else frame.drop(columns="decision")


def _row(engine: Engine, name: str, scanned: FeatureFile, *, members: bool) -> dict[str, object]:
    try:
        question = PredictionRequest(*read_features(scanned), scanned.provenance).completed("", name)
        answer = engine.predict(question.features, question.coords, question.about)
    except OceanPathError as error:
        if error.where:
            raise
        raise ArtifactError(
            error.what, where=scanned.path, expected=error.expected, got=error.got, do=error.do
        ) from error
    classes = prob_columns(engine.facts.classes)
    row: dict[str, object] = {"slide_id": question.about.slide_id, "n_patches": answer.n_patches}
    row |= dict(zip(classes, map(float, answer.probabilities), strict=True))
    row |= {"predicted": answer.predicted, "decision": answer.decision, "n_used": answer.n_used}
    row |= {"in_training": answer.in_training, "notes": "; ".join([*question.notes, *answer.notes])}
    for member, said in zip(engine.facts.members, answer.members.tolist(), strict=True) if members else ():
        row |= {f"{column}_fold{member.fold}": value for column, value in zip(classes, said, strict=True)}
    return row


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
