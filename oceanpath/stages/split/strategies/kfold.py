"""Stratified k-fold cross-validation: every patient is tested once."""

from __future__ import annotations

import numpy as np

from oceanpath.stages.split.draws import deal
from oceanpath.stages.split.enough_patients import require_patients_per_fold
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def kfold(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.folds` folds.

    Raises: ExperimentError: a stratum has fewer patients than folds.
    """
    return [Fold(test) for test in test_sets(patients, settings, settings.seed)]


def test_sets(patients: Patients, settings: SplitSettings, seed: int) -> list[frozenset[str]]:
    """The test patients of one k-fold cross-validation. Raises: as `kfold`."""
    groups = patients.groups()
    require_patients_per_fold(groups, settings)
    return deal(groups, settings.folds, np.random.default_rng(seed))
