"""Every fold needs patients of every stratum to train, to validate and, in stratified schemes, to test."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.patients import Groups, Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def require_patients_per_fold(groups: Groups, settings: SplitSettings) -> None:
    """Raise ExperimentError where a stratum has fewer patients than folds."""
    for name, count in _counts(groups).items():
        if count < settings.folds:
            task = settings.target()
            do = f"Set split.folds to {max(2, count)} or less, or {task.merge}."
            got = f"{count} patients for {settings.folds} folds"
            what = f"a {task.stratum} has fewer patients than folds"
            raise ExperimentError(what, where=f"[split] {task.stratum} {name}", got=got, do=do)


def require_inner_patients(groups: Groups, settings: SplitSettings) -> None:
    """Raise ExperimentError where a stratum has fewer patients outside an outer test set than inner folds."""
    for name, count in _counts(groups).items():
        if count < settings.inner_folds:
            task = settings.target()
            do = f"Set split.inner_folds to {max(2, count)} or less, or {task.merge}."
            got = f"{count} patients outside a test set for {settings.inner_folds} inner folds"
            what = f"a {task.stratum} has fewer patients than inner folds"
            raise ExperimentError(what, where=f"[split] {task.stratum} {name}", got=got, do=do)


def require_training_patients(patients: Patients, fold: Fold, settings: SplitSettings) -> None:
    """Raise ExperimentError where a stratum has fewer than two patients to train and validate a fold."""
    task, total = settings.target(), _counts(patients.groups())
    for name, count in _counts(patients.groups(without=fold.test | fold.left_out)).items():
        if count < 2:
            what = f"a {task.stratum} has too few patients to train, validate and test"
            tested = f" ({fold.name} is tested)" if fold.name else ""
            got = f"{total[name]}, {count} of them not tested{tested}"
            do = f"{task.merge[0].upper()}{task.merge[1:]}."
            raise ExperimentError(what, where=f"[split] {task.stratum} {name}", got=got, do=do)


def _counts(groups: Groups) -> dict[str, int]:
    """Stratum → number of its patients."""
    return {name: sum(map(len, cells)) for name, cells in groups.items()}
