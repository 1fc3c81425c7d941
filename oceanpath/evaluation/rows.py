"""Test predictions to evaluate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.bag_unit import unit_of
from oceanpath.artifacts.tested_slides import FoldPlan, read_plan
from oceanpath.errors import ExperimentError
from oceanpath.stats.patients import SLIDE_MEAN
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats, Targets


@dataclass(frozen=True)
class ReportedRows:
    """The pooled test rows: one row per slide and repeat, sorted by fold, then slide_id."""

    frame: pd.DataFrame
    """Columns as in `oceanpath.artifacts.predictions`."""
    task: Task
    targets: Targets
    """[n]."""
    values: Floats
    """[n, K], the columns of the task."""
    results: dict[str, Any]
    """cv_results.json."""
    members: pd.DataFrame
    """One row per slide and fold: the rows of every model before ensembles are averaged."""
    patient_aggregation: str = SLIDE_MEAN
    """How the values of a patient's slides are combined; see `eval.patient_aggregation`."""

    def __post_init__(self) -> None:
        """Raise ExperimentError if slides of a patient cannot be combined in this way."""
        if self.patient_aggregation not in (allowed := self.task.patient_aggregations()):
            what = "predictions of this task cannot be combined in this way"
            where, do = (
                "[eval] patient_aggregation",
                "Remove the key: other ways need probabilities of an event.",
            )
            raise ExperimentError(what, where=where, expected=" or ".join(allowed), got=self.patient_aggregation, do=do)

    @property
    def unit(self) -> str:
        """What one row is of: "slide" or "patient"."""
        return unit_of(self.results)

    @property
    def plan(self) -> FoldPlan:
        """The repeat and the ensemble of every fold."""
        return read_plan(self.results)

    @property
    def repeats(self) -> NDArray[np.int64]:
        """Repeat of each row, [n]."""
        return np.asarray(self.plan.repeats, np.int64)[self.folds]

    @property
    def fold_facts(self) -> list[dict[str, Any]]:
        """The facts of every fold; those that decide are the means over the ensemble of the fold."""
        per_fold = self.results["per_fold"]
        own = [self.task.facts_of(entry) for entry in per_fold]
        members = [[own[fold] for fold in self.plan.members(ensemble)] for ensemble in self.plan.ensembles]
        return [
            {**entry, **{key: _mean([member[key] for member in ensemble]) for key in ensemble[0]}}
            for entry, ensemble in zip(per_fold, members, strict=True)
        ]

    @property
    def patients(self) -> list[str]:
        """Patient of each row, [n]."""
        return [str(name) for name in self.frame["patient_id"]]

    @property
    def folds(self) -> NDArray[np.int64]:
        """Fold that tested each row, [n]."""
        return self.frame["fold"].to_numpy(np.int64)

    @property
    def split_folds(self) -> NDArray[np.int64]:
        """Fold of splits.json that tested each row, [n]; with several seeds, the same for all of them."""
        return np.asarray(self.plan.split_folds, np.int64)[self.folds]

    @property
    def title(self) -> str:
        """What was tested, as a title."""
        name = self.results.get("external")
        return f"External cohort {name}" if name else "Test slides"

    @property
    def selected(self) -> bool:
        """Whether the scheme also used these rows for selection."""
        return bool(self.results["selected"])


def _mean(values: list[float | None]) -> float | None:
    """The mean; None if a value is unknown."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
