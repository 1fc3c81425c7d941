"""Assignment of patients to folds: grouped by patient, stratified, the same for any order of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from oceanpath.artifacts.bag_unit import PATIENT
from oceanpath.fit.seeds import derive
from oceanpath.stages.split.draws import draw_fraction
from oceanpath.stages.split.enough_patients import require_training_patients
from oceanpath.stages.split.patient_bags import check_bags
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.stages.split.strategies.registry import strategy


def choose_folds(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """The folds of the scheme, which can be trained and validated; for an external cohort, one that tests all patients.

    Raises: ExperimentError: a stratum has too few patients for a test, a validation and a training set in every fold,
        or the slides of a patient cannot be one bag.
    """
    if settings.cohort:
        folds = [Fold(frozenset(patients.frame.index), name=settings.cohort)]
    else:
        folds = strategy(settings.scheme)(patients, settings)
        for fold in folds:
            require_training_patients(patients, fold, settings)
    if settings.bag == PATIENT:
        check_bags(patients, folds)
    return folds


def assigned_slides(patients: Patients, folds: list[Fold]) -> dict[str, str]:
    """Slide → patient, for the slides that have a role in any fold."""
    slides = patients.slides
    has_role = pd.Series(False, index=slides.index)
    for fold in folds:
        own = ~slides["patient_id"].isin(fold.left_out)
        has_role |= own if fold.slides is None else own & slides["slide_id"].isin(fold.slides)
    kept = slides[has_role]
    return dict(zip(kept["slide_id"], kept["patient_id"], strict=True))


def with_roles(patients: Patients, fold: Fold, number: int, settings: SplitSettings) -> pd.DataFrame:
    """The slides of fold `number`, with a column `role`."""
    val = fold.val if settings.cohort else fold.val or _inner_validation(patients, fold, number, settings)
    slides = patients.slides
    kept = ~slides["patient_id"].isin(fold.left_out)
    if fold.slides is not None:
        kept &= slides["slide_id"].isin(fold.slides)
    own = slides[kept].reset_index(drop=True)
    role = ["test" if name in fold.test else "val" if name in val else "train" for name in own["patient_id"]]
    return own.assign(role=role)


def _inner_validation(patients: Patients, fold: Fold, number: int, settings: SplitSettings) -> frozenset[str]:
    """A fraction of the patients that are not tested, which selects epoch and threshold."""
    # An independent stream: a generator of [seed, 0] equals that of the seed alone, which draws the test patients.
    random = np.random.default_rng(derive(settings.seed, "val", number))
    return draw_fraction(patients.groups(without=fold.test | fold.left_out), settings.val_fraction, random)
