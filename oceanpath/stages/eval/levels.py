"""The rows of one level, slides or patients, with the resamples of all its intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.resample import Resamples, draw_patients
from oceanpath.tasks.evaluation import Floats, Targets


@dataclass(frozen=True)
class LevelRows:
    """One row per slide, or one row per patient."""

    targets: Targets
    """[n]."""
    values: Floats
    """[n, K]."""
    folds: NDArray[np.int64]
    """Fold that tested each row, [n]."""
    drawn: Resamples
    """Resamples of the patients of these rows."""


def slide_level(settings: EvalSettings, rows: ReportedRows) -> LevelRows:
    """One row per slide."""
    return _level(settings, rows, (rows.targets, rows.values, rows.folds), rows.patients)


def patient_level(settings: EvalSettings, rows: ReportedRows) -> tuple[LevelRows | None, str]:
    """One row per patient; or None and the reason, if slides of a patient have different labels."""
    try:
        grouped = patient_rows(rows.patients, rows.targets, rows.values)
    except ExperimentError as error:
        return None, error.render()
    # All slides of a patient are tested by the same fold, so its fold is any of theirs.
    fold = np.zeros(len(grouped.patients), np.int64)
    fold[grouped.numbers] = rows.folds
    return _level(settings, rows, (grouped.labels, grouped.probs, fold), grouped.patients), ""


def fold_level(settings: EvalSettings, rows: ReportedRows, number: int) -> LevelRows:
    """The slides that one fold tested."""
    own = rows.folds == number
    patients = [name for name, kept in zip(rows.patients, own, strict=True) if kept]
    return _level(settings, rows, (rows.targets[own], rows.values[own], rows.folds[own]), patients)


def _level(
    settings: EvalSettings,
    rows: ReportedRows,
    level: tuple[Targets, Floats, NDArray[np.int64]],
    patients: list[str],
) -> LevelRows:
    strata = rows.task.resampling_strata(level[0])
    drawn = draw_patients(patients, strata, resamples=settings.resamples, seed=settings.seed)
    return LevelRows(*level, drawn)
