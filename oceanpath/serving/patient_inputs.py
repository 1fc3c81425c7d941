"""Patients to be predicted: the slides of each as one bag, as in the evaluation of a model with bags of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.facts import Contract
from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
from oceanpath.artifacts.features.provenance import Provenance
from oceanpath.artifacts.patient_bags import shifted, slide_shifts
from oceanpath.errors import ExperimentError, refuse, shorten_list
from oceanpath.serving.contract import sample_rows, validate_coords, validate_features, validate_provenance
from oceanpath.serving.prediction_request import PredictionRequest
from oceanpath.serving.slide_inputs import Key, SlideInput, located

COLUMNS = TableQuery(slide_id="slide_id", patient_id="patient_id", label="")
"""The columns of a table of patients."""


class _Slide(NamedTuple):
    """The patches of one slide that the model uses."""

    features: NDArray[np.floating]
    coords: NDArray[np.int32] | None
    provenance: Provenance
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PatientInput:
    """All slides of one patient."""

    name: str
    """Patient id."""
    slides: tuple[SlideInput, ...]
    contract: Contract
    """Of the model; its cap applies to each slide."""

    @property
    def path(self) -> Path:
        """The first file."""
        return self.slides[0].path

    def key(self) -> Key:
        """What identifies this version of the slides. Raises: ArtifactError: a file does not exist."""
        keys = {
            f"{number}.{name}": value for number, slide in enumerate(self.slides) for name, value in slide.key().items()
        }
        return {"patient": self.name, **keys}

    def read(self) -> PredictionRequest:
        """The features of all slides together. Raises: OceanPathError: a file is damaged, or not of the contract."""
        slides = sorted((self._read(slide) for slide in self.slides), key=lambda each: each.provenance.slide_id)
        joined = _common(self.name, [each.provenance for each in slides])
        known = validate_provenance(self.contract, joined)
        notes = dict.fromkeys(note for each in slides for note in each.notes if note not in known)
        coords = [each.coords for each in slides if each.coords is not None]
        placed = None
        if len(coords) == len(slides):
            placed = shifted(coords, slide_shifts(coords, where=f"patient {self.name}"))
        return PredictionRequest(np.concatenate([each.features for each in slides]), placed, joined, tuple(notes))

    def _read(self, slide: SlideInput) -> _Slide:
        """One slide, capped as in the evaluation."""
        with located(slide.path):
            request = slide.read()
            features, known = request.array, request.provenance
            n = len(features)
            validate_features(self.contract, features)
            notes = (*request.notes, *validate_provenance(self.contract, known))
            coords = validate_coords(self.contract, request.coords, n)
            rows = sample_rows(self.contract.cap, n, coords, known.slide_id)
        if rows is None:
            return _Slide(features, coords, known, notes)
        note = f"the model's cap: {len(rows)} of {n} patches of the slide {known.slide_id} were used"
        return _Slide(features[rows], None if coords is None else coords[rows], known, (*notes, note))


def group_patients(slides: Sequence[SlideInput], table: Path, contract: Contract) -> list[PatientInput]:
    """The patients of `slides`, sorted, by the columns slide_id and patient_id of a table.

    Raises: ExperimentError: the table is not valid, a slide is not in it, or a patient has further slides in it.
    """
    read = read_cohort(table, COLUMNS)
    refuse(read.problems)
    patient_of = dict(zip(read.slide_ids, read.patients, strict=True))
    given = {slide.name: slide for slide in slides}
    if unknown := sorted(given.keys() - patient_of.keys()):
        what, do = "slides have no patient in the table", "Add them to the table, or leave them out."
        raise ExperimentError(what, where=table, got=f"{len(unknown)}: {shorten_list(unknown)}", do=do)
    patients: dict[str, list[SlideInput]] = {}
    for name in sorted(given):
        patients.setdefault(patient_of[name], []).append(given[name])
    absent = sorted(name for name, patient in patient_of.items() if patient in patients and name not in given)
    if absent:
        what = "slides of the patients are not among the inputs, and a prediction needs all slides of a patient"
        do = "Add their features, or remove them from the table if they are not part of the patient's bag."
        raise ExperimentError(what, where=table, got=f"{len(absent)}: {shorten_list(absent)}", do=do)
    return [PatientInput(name, tuple(patients[name]), contract) for name in sorted(patients)]


def _common(patient: str, slides: Sequence[Provenance]) -> Provenance:
    """What is true of all slides; the slide id is the patient id, by which the bag is named."""
    stated: dict[str, Any] = {
        field.name: getattr(slides[0], field.name)
        for field in fields(Provenance)
        if len({getattr(slide, field.name) for slide in slides}) == 1
    }
    return Provenance(**stated | {"slide_id": patient})
