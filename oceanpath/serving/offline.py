"""The command `predict`: a bundle and many slides → a table, with the same engine as the server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from oceanpath.artifacts.bundle.folder import FACTS
from oceanpath.errors import ExperimentError, OceanPathError, collected, refuse
from oceanpath.serving.answer_rows import Row, SlideAnswer, answer_slide, as_table
from oceanpath.serving.journal import Journal
from oceanpath.serving.patient_inputs import PatientInput
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.slide_engine import AnyEngine
from oceanpath.serving.slide_inputs import SlideInput, located


class SlideFiles(Protocol):
    """Writes further files about each slide."""

    @property
    def explains(self) -> bool:
        """Whether the files have contributions of patches."""

    def are_written(self, slide_id: str) -> bool:
        """Whether all files of a slide exist."""

    def write(self, slide: SlideInput, request: PredictionRequest, answer: SlideAnswer) -> None:
        """Write the files of a slide, before its row is recorded."""


class NoFiles:
    """Writes no further files."""

    explains = False

    def are_written(self, _slide_id: str) -> bool:
        """There are none."""
        return True

    def write(self, _slide: SlideInput, _request: PredictionRequest, _answer: SlideAnswer) -> None:
        """There are none."""


@dataclass(frozen=True)
class Predicted:
    """The predictions of several slides."""

    table: pd.DataFrame
    """One row per slide, sorted by slide_id; see `oceanpath.serving.answer_rows.answer_slide`."""
    failures: list[OceanPathError]
    """One error per slide that could not be predicted, with its file."""


def bundle_in(path: Path) -> Path | None:
    """The folder of a bundle: `path` itself, or a folder ``export`` or ``bundle`` in it; None if there is none."""
    return next((each for each in (path, path / "export", path / "bundle") if (each / FACTS).is_file()), None)


def find_bundle(path: Path) -> Path:
    """`bundle_in`. Raises: ExperimentError: there is no bundle."""
    if (folder := bundle_in(path)) is not None:
        return folder
    do = "Specify the folder that `oceanpath export` published."
    raise ExperimentError("no bundle in this folder", where=path, expected=f"a folder with {FACTS}", do=do)


def predict_slides(
    engine: AnyEngine,
    slides: Iterable[SlideInput | PatientInput],
    *,
    members: bool = False,
    journal: Journal | None = None,
    files: SlideFiles | None = None,
) -> Predicted:
    """Predict slides one after the other; a slide that fails does not stop the others.

    Args:
        engine: The model.
        slides: The slides, or the patients of a model with bags of patients.
        members: Whether rows contain the values of each member of the ensemble.
        journal: Has the rows of earlier runs; new rows are added when they are complete.
        files: Writes further files about each slide.

    Raises: ExperimentError: two files contain the same slide id, or a pretrained aggregator has no `members`.
        OceanPathError: every slide failed.
    """
    if members and not engine.has_members:
        raise ExperimentError("a pretrained aggregator has no members", where="--members", do="Leave it out.")
    work = _Work(engine, members, journal or Journal(None, {}), files or NoFiles())
    rows: dict[str, Row] = {}
    failures: list[OceanPathError] = []
    for slide in slides:
        row: Row | None = None
        with collected(failures):
            row = work.row(slide)
        if row is None:
            continue
        if row["slide_id"] in rows:
            do = "Specify only one of the files."
            raise ExperimentError("two files contain the same slide id", where=row["slide_id"], got=slide.path, do=do)
        rows[row["slide_id"]] = row
    if not rows:
        refuse(failures)
    return Predicted(as_table(engine, [rows[name] for name in sorted(rows)]), failures)


@dataclass(frozen=True)
class _Work:
    engine: AnyEngine
    members: bool
    journal: Journal
    files: SlideFiles

    def row(self, slide: SlideInput | PatientInput) -> Row:
        """The row of a slide, from the journal if it was predicted before. Raises: OceanPathError, with the file."""
        with located(slide.path):
            key = slide.key()
            row = self.journal.get(key)
            if row is None or not self.files.are_written(row["slide_id"]):
                request = slide.read()
                answer = answer_slide(self.engine, request, members=self.members, explains=self.files.explains)
                if not isinstance(slide, PatientInput):  # files are about single slides
                    self.files.write(slide, request, answer)
                row = answer.row
                self.journal.add(key, row)
        return row
