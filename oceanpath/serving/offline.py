"""The command `predict`: a bundle and feature files → a table, with the same engine as the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.bundle.folder import FACTS
from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.artifacts.features.files import FeatureFile, find_features, read_features, scan_features
from oceanpath.errors import ArtifactError, ExperimentError, OceanPathError
from oceanpath.serving.embedder import Embedder
from oceanpath.serving.engine import Engine
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.session import Similarity
from oceanpath.serving.value_engine import ValueEngine
from oceanpath.tasks.probabilities import prob_columns


def find_bundle(path: Path) -> Path:
    """The folder of the bundle: `path` itself, or a folder ``export`` or ``bundle`` in it.

    Raises: ExperimentError: there is no bundle.
    """
    for folder in (path, path / "export", path / "bundle"):
        if (folder / FACTS).is_file():
            return folder
    do = "Specify the folder that `oceanpath export` published."
    raise ExperimentError("no bundle in this folder", where=path, expected=f"a folder with {FACTS}", do=do)


def answer_table(
    engine: Engine | Embedder | ValueEngine, paths: Sequence[Path], *, members: bool = False, features_key: str = ""
) -> pd.DataFrame:
    """`predict_table`, `value_table` or, of a pretrained aggregator, `embedding_table`.

    Raises: ExperimentError: as these, or `members` of an aggregator.
    """
    if isinstance(engine, Engine):
        return predict_table(engine, paths, members=members, features_key=features_key)
    if isinstance(engine, ValueEngine):
        return value_table(engine, paths, members=members, features_key=features_key)
    if members:
        raise ExperimentError("a pretrained aggregator has no members", where="--members", do="Leave it out.")
    return embedding_table(engine, paths, features_key=features_key)


def embedding_table(engine: Embedder, paths: Sequence[Path], *, features_key: str = "") -> pd.DataFrame:
    """Embeddings for the feature files in `paths`, and for all feature files in its folders.

    Returns:
        One row per slide, sorted by slide_id: slide_id, n_patches, embedding_<k> (float32), n_used, in_training,
        ood_score and ood_flag (only if the bundle has feature statistics), notes.

    Raises: ExperimentError, ArtifactError: as `predict_table`.
    """

    def row(slide: PredictionRequest) -> dict[str, object]:
        embedded = engine.predict(slide.features, slide.coords, slide.provenance)
        cells: dict[str, object] = {"slide_id": slide.provenance.slide_id, "n_patches": embedded.n_patches}
        cells |= {f"embedding_{k}": value for k, value in enumerate(embedded.embedding)}
        notes = "; ".join([*slide.notes, *embedded.notes])
        cells |= {"n_used": embedded.n_used, "in_training": embedded.in_training}
        return cells | _similarity_cells(embedded.similarity) | {"notes": notes}

    return _table(paths, features_key, row)


def value_table(
    engine: ValueEngine, paths: Sequence[Path], *, members: bool = False, features_key: str = ""
) -> pd.DataFrame:
    """Values for the feature files in `paths`, and for all feature files in its folders.

    Returns:
        One row per slide, sorted by slide_id: slide_id, n_patches, the values (float64), decision_<column> of every
        value with a cut-off, n_used, in_training, ood_score and ood_flag (only if the bundle has feature statistics),
        notes; with `members` also <column>_fold<k>.

    Raises: ExperimentError, ArtifactError: as `predict_table`.
    """

    def row(slide: PredictionRequest) -> dict[str, object]:
        prediction = engine.predict(slide.features, slide.coords, slide.provenance)
        cells: dict[str, object] = {"slide_id": slide.provenance.slide_id, "n_patches": prediction.n_patches}
        cells |= prediction.by_column()
        cells |= {f"decision_{name}": decision for name, decision in prediction.decisions.items()}
        cells |= {"n_used": prediction.n_used, "in_training": prediction.in_training}
        cells |= _similarity_cells(prediction.similarity)
        cells["notes"] = "; ".join([*slide.notes, *prediction.notes])
        for member, values in zip(engine.facts.members, prediction.members.tolist(), strict=True) if members else ():
            pairs = zip(prediction.columns, values, strict=True)
            cells |= {f"{name}_fold{member.fold}": value for name, value in pairs}
        return cells

    return _table(paths, features_key, row)


def predict_table(
    engine: Engine, paths: Sequence[Path], *, members: bool = False, features_key: str = ""
) -> pd.DataFrame:
    """Predictions for the feature files in `paths`, and for all feature files in its folders.

    The slide id is read from the file; the default is the file name. `features_key` names the array of features in
    files with several.

    Returns:
        One row per slide, sorted by slide_id: slide_id, n_patches, prob_<class> (float64, in class order), predicted,
        decision (only if the bundle has a threshold), n_used (patches within the model's cap), in_training,
        ood_score and ood_flag (only if the bundle has feature statistics), notes (text); with `members` also
        prob_<class>_fold<k>, the probabilities of each member.

    Raises: ExperimentError: nothing to predict, or two files of one slide. ArtifactError: a file cannot be predicted;
        the error names it.
    """
    frame = _table(paths, features_key, lambda slide: _row(engine, slide, members=members))
    return frame if engine.facts.threshold.value is not None else frame.drop(columns="decision")


def _table(
    paths: Sequence[Path], features_key: str, row: Callable[[PredictionRequest], dict[str, object]]
) -> pd.DataFrame:
    """The rows of all slides. Raises: as `predict_table`."""
    rows: dict[str, dict[str, object]] = {}
    for name, path in _files(paths).items():
        cells = _read_and(row, name, scan_features(path, features_key))
        slide = str(cells["slide_id"])
        if slide in rows:
            do = "Specify only one of the files."
            raise ExperimentError("two files contain the same slide id", where=slide, got=path, do=do)
        rows[slide] = cells
    return pd.DataFrame([rows[slide] for slide in sorted(rows)])


def _read_and(
    row: Callable[[PredictionRequest], dict[str, object]], name: str, scanned: FeatureFile
) -> dict[str, object]:
    """The row of a feature file; an error names the file."""
    try:
        return row(PredictionRequest(*read_features(scanned), scanned.provenance).with_defaults("", name))
    except OceanPathError as error:
        if error.where:
            raise
        raise ArtifactError(
            error.what, where=scanned.path, expected=error.expected, got=error.got, do=error.do
        ) from error


def _row(engine: Engine, slide: PredictionRequest, *, members: bool) -> dict[str, object]:
    prediction = engine.predict(slide.features, slide.coords, slide.provenance)
    classes = prob_columns(engine.facts.classes)
    row: dict[str, object] = {"slide_id": slide.provenance.slide_id, "n_patches": prediction.n_patches}
    row |= dict(zip(classes, map(float, prediction.probabilities), strict=True))
    row |= {"predicted": prediction.predicted, "decision": prediction.decision, "n_used": prediction.n_used}
    row |= {"in_training": prediction.in_training} | _similarity_cells(prediction.similarity)
    row |= {"notes": "; ".join([*slide.notes, *prediction.notes])}
    for member, values in zip(engine.facts.members, prediction.members.tolist(), strict=True) if members else ():
        row |= {f"{column}_fold{member.fold}": value for column, value in zip(classes, values, strict=True)}
    return row


def _similarity_cells(similarity: Similarity | None) -> dict[str, object]:
    """Columns about slides unlike the training slides; none if the bundle has no statistics of them."""
    return {} if similarity is None else {"ood_score": similarity.ood_score, "ood_flag": similarity.is_ood}


def _files(paths: Iterable[Path]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in paths:
        features = find_features(path) if path.is_dir() else {slide_id(path): path}
        for name, file in features.items():
            if name in files and files[name].resolve() != file.resolve():
                got, do = f"{files[name]} and {file}", "Specify only one of the files."
                raise ExperimentError("two files have the same slide id", where=name, got=got, do=do)
            files[name] = file
    if not files:
        raise ExperimentError("nothing to predict", do="Specify feature files, or a folder of feature files.")
    return files
