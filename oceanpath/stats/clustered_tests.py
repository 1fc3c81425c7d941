"""Tests of two models on slides, with patients as clusters: repeating every slide changes no p-value.

DeLong's test with Obuchowski's (1997) variance, paired and unpaired, for AUROCs (also the mean of several classes);
McNemar's test for decisions with the variance of whole patients (Obuchowski 1998). Both use Student's t, with
Satterthwaite's degrees of freedom and with patients - 1: the normal distribution rejects too often with few patients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.comparison import Comparison, compare
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.placements import auroc_influence

Numbers = NDArray[np.int64]


def paired_delong(
    labels: Numbers, probs: tuple[Floats, Floats], patients: Numbers, confidence: float = 0.95
) -> Comparison:
    """AUROC of the first model minus that of the second on the same rows.

    Args:
        labels: [n] class numbers.
        probs: Probabilities [n, C] of both models.
        patients: [n] number of the patient of each row, from 0.
        confidence: Confidence level of the interval.

    Raises:
        StageError: one class only.
    """
    difference = _influence(labels, probs[0]).minus(_influence(labels, probs[1]))
    variance = clustered_variance(difference, patients)
    error = float(np.sqrt(variance.total))
    return compare(difference.value, error, variance.degrees_of_freedom(), confidence)


def unpaired_delong(
    first: tuple[Numbers, Floats, Numbers], second: tuple[Numbers, Floats, Numbers], confidence: float = 0.95
) -> Comparison:
    """AUROC on one cohort minus that on another without common patients; each is (labels, probs, patients)."""
    values, variances = [], []
    for labels, probs, patients in (first, second):
        influence = _influence(labels, probs)
        values.append(influence.value)
        variances.append(clustered_variance(influence, patients))
    totals = [variance.total for variance in variances]
    weights = [v**2 / one.degrees_of_freedom() for v, one in zip(totals, variances, strict=True)]
    freedom = sum(totals) ** 2 / sum(weights) if sum(weights) > 0 else 1.0
    return compare(values[0] - values[1], float(np.sqrt(sum(totals))), freedom, confidence)


def clustered_mcnemar(
    is_correct: tuple[NDArray[np.bool_], NDArray[np.bool_]], patients: Numbers, confidence: float = 0.95
) -> Comparison:
    """Share of correct rows of the first model minus that of the second, [n] bool each."""
    if not len(is_correct[0]) == len(is_correct[1]) == len(patients):
        raise StageError("the models decide different rows", expected=len(patients), got=len(is_correct[0]))
    difference = is_correct[0].astype(np.float64) - is_correct[1]
    _, numbers = np.unique(patients, return_inverse=True)
    sums, k = np.bincount(numbers, difference), int(numbers.max()) + 1
    # Under the null the mean is 0, so the sums are not centred.
    error = float(np.sqrt((sums**2).sum() * k / max(1, k - 1))) / len(difference)
    return compare(float(difference.mean()), error, max(1, k - 1), confidence)


def _influence(labels: Numbers, probs: Floats) -> Influence:
    found = auroc_influence(labels, probs)
    if found is None:
        raise StageError("an AUROC needs rows of two classes", got="one class")
    return found
