"""The rows of one level, slides or patients, with the resamples that all its intervals share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.resample import Resamples, draw_patients


@dataclass(frozen=True)
class LevelRows:
    """One row per slide, or one row per patient."""

    labels: NDArray[np.int64]
    probs: NDArray[np.float64]
    """[n, C]."""
    folds: NDArray[np.int64]
    """Fold that tested each row, [n]."""
    drawn: Resamples
    """Resamples of the patients of these rows."""


def slide_level(settings: EvalSettings, rows: ReportedRows) -> LevelRows:
    """One row per slide."""
    return _level(settings, rows.labels, rows.probs, rows.folds, rows.patients)


def patient_level(settings: EvalSettings, rows: ReportedRows) -> tuple[LevelRows | None, str]:
    """One row per patient; or None and the reason, where slides of a patient have different labels."""
    try:
        grouped = patient_rows(rows.patients, rows.labels, rows.probs)
    except ExperimentError as error:
        return None, error.render()
    # All slides of a patient are tested by the same fold, so its fold is any of theirs.
    fold = np.zeros(len(grouped.patients), np.int64)
    fold[grouped.numbers] = rows.folds
    return _level(settings, grouped.labels, grouped.probs, fold, grouped.patients), ""


def fold_level(settings: EvalSettings, rows: ReportedRows, number: int) -> LevelRows:
    """The slides that one fold tested."""
    own = rows.folds == number
    patients = [name for name, kept in zip(rows.patients, own, strict=True) if kept]
    return _level(settings, rows.labels[own], rows.probs[own], rows.folds[own], patients)


def _level(
    settings: EvalSettings,
    labels: NDArray[np.int64],
    probs: NDArray[np.float64],
    folds: NDArray[np.int64],
    patients: list[str],
) -> LevelRows:
    drawn = draw_patients(patients, labels, resamples=settings.resamples, seed=settings.seed)
    return LevelRows(labels, probs, folds, drawn)
