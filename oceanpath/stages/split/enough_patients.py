"""Every fold needs patients of every stratum to train, to validate and, in stratified schemes, to test."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.patients import Groups, Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold


def require_patients_per_fold(groups: Groups, settings: SplitSettings) -> None:
    """Raise ExperimentError where a stratum has fewer patients than folds."""
    _require(groups, settings, "folds", "patients")


def require_inner_patients(groups: Groups, settings: SplitSettings) -> None:
    """Raise ExperimentError where a stratum has fewer patients outside an outer test set than inner folds."""
    _require(groups, settings, "inner_folds", "patients outside a test set")


def _require(groups: Groups, settings: SplitSettings, key: str, counted: str) -> None:
    """Raise ExperimentError where a stratum has fewer patients than the folds of `key`."""
    wanted, folds, task = getattr(settings, key), key.replace("_", " "), settings.target()
    for name, count in _counts(groups).items():
        if count < wanted:
            do = f"Set split.{key} to {max(2, count)} or less, or {task.merge}."
            got = f"{count} {counted} for {wanted} {folds}"
            what = f"a {task.stratum} has fewer patients than {folds}"
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
