"""Few-shot learning: one test set, and several draws of a few labelled patients per class from all others.

The labelled patients of a draw are all that training and inner validation see, so validation labels count as labels.
"""

from __future__ import annotations

import numpy as np

from oceanpath.errors import ExperimentError
from oceanpath.fit.seeds import derive
from oceanpath.stages.split.draws import draw_counts, draw_fraction
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def few_shot(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.repeats` folds with `settings.shots` patients per stratum for training and validation.

    Raises: ExperimentError: a stratum has fewer patients than that outside the test set.
    """
    test = draw_fraction(patients.groups(), settings.test_fraction, np.random.default_rng(settings.seed))
    others = patients.groups(without=test)
    counts = {name: sum(map(len, cells)) for name, cells in others.items()}
    for name, count in counts.items():
        if count < settings.shots:
            word = settings.target().stratum
            do = f"Set split.shots to {count} or less, or reduce split.test_fraction."
            got = f"{count} patients outside the test set for {settings.shots} shots"
            what = f"a {word} has too few patients"
            raise ExperimentError(what, where=f"[split] {word} {name}", got=got, do=do)
    everyone = frozenset(patients.frame.index)
    folds = []
    for number in range(settings.repeats):
        random = np.random.default_rng(derive(settings.seed, "few_shot", number))
        chosen = draw_counts(others, dict.fromkeys(others, settings.shots), random)
        folds.append(Fold(test, left_out=everyone - test - chosen, repeat=number))
    return folds
