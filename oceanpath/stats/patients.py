"""Aggregation of slides to patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError, StageError
from oceanpath.stats.discrimination import Floats

SLIDE_MEAN, SLIDE_MAXIMUM, NOISY_OR = "mean", "max", "noisy_or"
AGGREGATIONS = (SLIDE_MEAN, SLIDE_MAXIMUM, NOISY_OR)
Combine = Callable[[Floats, NDArray[np.int64]], Floats]
"""Values [n, K] of slides and the number of the patient of each → values [p, K] of the patients."""


def mean_of_slides(values: Floats, numbers: NDArray[np.int64]) -> Floats:
    """The mean over the slides of each patient."""
    count = np.bincount(numbers)
    return np.stack([np.bincount(numbers, column) / count for column in values.T], axis=1)


def combine_events(values: Floats, numbers: NDArray[np.int64], how: str) -> Floats:
    """Probabilities [p, K] of events in patients, from those [n, K] in their slides.

    Args:
        values: Each column is the probability of one event.
        numbers: [n] number of the patient of each slide.
        how: mean; max, the largest probability; noisy_or, the probability of the event in at least one slide if slides
            are independent: 1 - prod(1 - p).
    """
    if how == SLIDE_MEAN:
        return mean_of_slides(values, numbers)
    shape = (int(numbers.max()) + 1, values.shape[1])
    if how == SLIDE_MAXIMUM:
        largest = np.zeros(shape)
        np.maximum.at(largest, numbers, values)
        return largest
    absent = np.ones(shape)
    np.multiply.at(absent, numbers, 1 - values)
    return 1 - absent


@dataclass(frozen=True)
class PatientRows:
    """One row per patient, sorted by patient."""

    patients: list[str]
    labels: NDArray[Any]
    probs: Floats
    """[p, C] of the patient's slides together, by default their mean."""
    n_slides: NDArray[np.int64]
    numbers: NDArray[np.int64]
    """[n] patient row of each slide."""


def patient_rows(
    patients: Sequence[str], labels: NDArray[Any], probs: Floats, combine: Combine = mean_of_slides
) -> PatientRows:
    """One row per patient: the probabilities of its slides together, and its one label.

    Args:
        patients: [n] patient of each slide.
        labels: [n] numbers, or [n, L] with NaN for unknown ones.
        probs: [n, C].
        combine: How the probabilities of a patient's slides are combined.

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
    rows = numbers.astype(np.int64)
    return PatientRows(names.tolist(), own, combine(probs, rows), count.astype(np.int64), rows)


def _differ(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    """[n]: whether labels differ; two unknown ones do not."""
    different = (first != second) & ~((first != first) & (second != second))
    rows: NDArray[np.bool_] = different.reshape(len(different), -1).any(axis=1)
    return rows
