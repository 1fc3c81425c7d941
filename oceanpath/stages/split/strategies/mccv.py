"""Monte Carlo cross-validation: independent stratified test sets, so that patients are tested several times or never.

Picard and Cook (1984), "Cross-Validation of Regression Models".
"""

from __future__ import annotations

import numpy as np

from oceanpath.fit.seeds import derive
from oceanpath.stages.split.draws import draw_fraction
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def mccv(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.repeats` folds, each with its own draw of `settings.test_fraction` of each stratum's patients."""
    groups = patients.groups()
    return [
        Fold(
            draw_fraction(groups, settings.test_fraction, np.random.default_rng(derive(settings.seed, "mccv", number))),
            repeat=number,
        )
        for number in range(settings.repeats)
    ]
