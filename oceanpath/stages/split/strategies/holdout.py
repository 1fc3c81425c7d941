"""One stratified test set."""

from __future__ import annotations

import numpy as np

from oceanpath.stages.split.draws import draw_fraction
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def holdout(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """One fold that tests `settings.test_fraction` of each stratum's patients."""
    random = np.random.default_rng(settings.seed)
    return [Fold(draw_fraction(patients.groups(), settings.test_fraction, random))]
