"""The rows of one level, slides or patients, with the resamples of all its intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.resample import Resamples, draw_patients
from oceanpath.tasks.evaluation import Floats, Targets


class _Table(NamedTuple):
    """Rows of a level before patients are drawn."""

    targets: Targets
    values: Floats
    folds: NDArray[np.int64]
    repeats: NDArray[np.int64]
    units: list[str]
    patients: list[str]


@dataclass(frozen=True)
class LevelRows:
    """One row per slide or per patient, in every repeat that tested it."""

    targets: Targets
    """[n]."""
    values: Floats
    """[n, K]."""
    folds: NDArray[np.int64]
    """Fold that tested each row, [n]."""
    repeats: NDArray[np.int64]
    """Repeat of each row, [n]."""
    units: list[str]
    """Slide or patient of each row, [n]."""
    drawn: Resamples
    """Resamples of the patients of these rows."""


def slide_level(settings: IntervalOptions, rows: ReportedRows) -> LevelRows:
    """One row per slide and repeat."""
    slides = rows.frame["slide_id"].tolist()
    return _level(settings, rows, _Table(rows.targets, rows.values, rows.folds, rows.repeats, slides, rows.patients))


def patient_level(settings: IntervalOptions, rows: ReportedRows) -> tuple[LevelRows | None, str]:
    """One row per patient and repeat; or None and the reason, if slides of a patient have different labels."""
    try:
        parts = [_patients(rows, np.flatnonzero(rows.repeats == number)) for number in np.unique(rows.repeats)]
    except ExperimentError as error:
        return None, error.render()
    targets, values, folds, repeats = (np.concatenate([part[k] for part in parts]) for k in range(4))
    names = [name for part in parts for name in part.patients]
    return _level(settings, rows, _Table(targets, values, folds, repeats, names, names)), ""


def fold_level(settings: IntervalOptions, rows: ReportedRows, number: int) -> LevelRows:
    """The slides that the model of one fold tested."""
    own = rows.members[rows.members["fold"] == number]
    targets, values = rows.task.targets(own["label"].tolist()), rows.task.values(own)
    fold = np.full(len(own), number, np.int64)
    slides, patients = (own[name].astype(str).tolist() for name in ("slide_id", "patient_id"))
    return _level(settings, rows, _Table(targets, values, fold, np.zeros_like(fold), slides, patients))


def _patients(rows: ReportedRows, own: NDArray[np.intp]) -> _Table:
    """One row per patient of one repeat. Raises: ExperimentError: slides of a patient have different labels."""
    names = rows.patients
    combine = partial(rows.task.patient_values, how=rows.patient_aggregation)
    grouped = patient_rows([names[i] for i in own], rows.targets[own], rows.values[own], combine)
    # All slides of a patient are tested by the same fold, so its fold is any of theirs.
    fold = np.zeros(len(grouped.patients), np.int64)
    fold[grouped.numbers] = rows.folds[own]
    repeat = np.full_like(fold, rows.repeats[own[0]])
    return _Table(grouped.labels, grouped.probs, fold, repeat, grouped.patients, grouped.patients)


def _level(settings: IntervalOptions, rows: ReportedRows, table: _Table) -> LevelRows:
    strata = rows.task.resampling_strata(table.targets)
    drawn = draw_patients(table.patients, strata, resamples=settings.resamples, seed=settings.seed)
    return LevelRows(*table[:5], drawn)
