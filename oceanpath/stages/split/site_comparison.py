"""Two cross-validations of a cohort with known sites: one keeps patients together, the other whole sites."""

from __future__ import annotations

from typing import Any

import pandas as pd

from oceanpath.errors import ExperimentError
from oceanpath.stages.split.patients import Patients
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.stages.split.strategies.kfold import kfold
from oceanpath.stages.split.strategies.site_preserved import site_preserved


def compare_sites(patients: Patients, settings: SplitSettings) -> tuple[pd.DataFrame | None, dict[str, Any] | None]:
    """The table of `oceanpath.artifacts.sites` and the key "site" of splits.json; (None, None) without sites."""
    if not settings.site and not settings.site_rule:
        return None, None
    try:
        folds = max(2, min(settings.folds, len(patients.sites())))
        same = settings.model_copy(update={"folds": folds})
        grouped, preserved = kfold(patients, same), site_preserved(patients, same)
    except ExperimentError as error:
        return None, {"folds": 0, "reason": error.render()}
    owner = patients.slides["patient_id"]
    table = patients.slides.assign(
        site=owner.map(patients.frame["site"]),
        grouped_fold=owner.map(_fold_of(grouped)),
        preserved_fold=owner.map(_fold_of(preserved)),
    )
    return table, {"folds": folds, "reason": ""}


def _fold_of(folds: list[Fold]) -> dict[str, int]:
    """Patient → the fold that tests it."""
    return {name: number for number, fold in enumerate(folds) for name in fold.test}
