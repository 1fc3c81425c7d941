"""Nested cross-validation: the inner folds of an outer fold validate its models, which predict as an ensemble.

Each of the `inner_folds` models of an outer fold selects its epoch and threshold on another inner fold, so that every
patient outside the test set validates once. The outer test patients select nothing.
Varma and Simon (2006), "Bias in error estimation when using cross-validation for model selection".
"""

from __future__ import annotations

import numpy as np

from oceanpath.fit.seeds import derive
from oceanpath.stages.split.draws import deal
from oceanpath.stages.split.enough_patients import require_inner_patients
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.stages.split.strategies.kfold import test_sets


def nested(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.folds` outer folds times `settings.inner_folds` models; the outer folds equal those of `kfold`.

    Raises: ExperimentError: a stratum has too few patients for the outer or the inner folds.
    """
    folds = []
    for outer, test in enumerate(test_sets(patients, settings, settings.seed)):
        groups = patients.groups(without=test)
        require_inner_patients(groups, settings)
        random = np.random.default_rng(derive(settings.seed, "inner", outer))
        for val in deal(groups, settings.inner_folds, random):
            folds.append(Fold(test, val, ensemble=outer * settings.inner_folds))
    return folds
