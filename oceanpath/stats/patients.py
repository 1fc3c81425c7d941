"""Aggregation of slides to patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError, StageError
from oceanpath.stats.discrimination import Floats


@dataclass(frozen=True)
class PatientRows:
    """One row per patient, sorted by patient."""

    patients: list[str]
    labels: NDArray[Any]
    probs: Floats
    """[p, C] mean of the patient's slides."""
    n_slides: NDArray[np.int64]
    numbers: NDArray[np.int64]
    """[n] patient row of each slide."""


def patient_rows(patients: Sequence[str], labels: NDArray[Any], probs: Floats) -> PatientRows:
    """One row per patient: mean probability over its slides, and its one label.

    Args:
        patients: [n] patient of each slide.
        labels: [n] numbers, or [n, L] with NaN for unknown ones.
        probs: [n, C].

    Raises:
        ExperimentError: slides of one patient have different labels; none is chosen silently.
    """
    if not len(patients) == len(labels) == len(probs):
        raise StageError(
            "not one patient, label and row of probabilities per slide", got=f"{len(patients)}, {len(labels)}"
        )
    names, first, numbers = np.unique(np.asarray(patients, dtype=str), return_index=True, return_inverse=True)
    own = labels[first]
    if (conflict := np.flatnonzero(_differ(own[numbers], labels))).size:
        raise ExperimentError(
            "slides of one patient have different labels",
            where=f"patient {names[numbers[conflict[0]]]}",
            got=f"{np.unique(numbers[conflict]).size} such patients",
            do="Correct the label table, or report slides only.",
        )
    count = np.bincount(numbers)
    means = np.stack([np.bincount(numbers, column) / count for column in probs.T], axis=1)
    return PatientRows(names.tolist(), own, means, count.astype(np.int64), numbers.astype(np.int64))


def _differ(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    """[n]: whether labels differ; two unknown ones do not."""
    different = (first != second) & ~((first != first) & (second != second))
    rows: NDArray[np.bool_] = different.reshape(len(different), -1).any(axis=1)
    return rows
