"""k-fold cross-validation, repeated with other draws; the first repeat equals `kfold` with the same seed."""

from __future__ import annotations

from oceanpath.fit.seeds import derive
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.stages.split.strategies.kfold import test_sets


def repeated_kfold(patients: Patients, settings: SplitSettings) -> list[Fold]:
    """`settings.repeats` times `settings.folds` folds.

    Raises: ExperimentError: a stratum has fewer patients than folds.
    """
    seeds = [settings.seed, *(derive(settings.seed, "repeat", number) for number in range(1, settings.repeats))]
    return [
        Fold(test, repeat=number) for number, seed in enumerate(seeds) for test in test_sets(patients, settings, seed)
    ]
