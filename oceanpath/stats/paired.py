"""Paired patient-clustered bootstrap of the difference of two models' AUROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats, ranking_measure
from oceanpath.stats.resample import bootstrap, draw_patients


@dataclass(frozen=True)
class PairedDifference:
    """AUROC of a minus AUROC of b on the same rows; None with a reason where undefined."""

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, (1 + k) / (1 + R), never 0 (Davison and Hinkley 1997, eq. 4.11)."""
    n: int
    n_patients: int
    resamples: int
    redrawn: int
    reason: str = ""


def paired_auroc_difference(
    labels: NDArray[np.int64],
    a: Floats,
    b: Floats,
    patients: Sequence[str],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 42,
) -> PairedDifference:
    """The difference, its percentile interval, and how rarely chance alone moves it as far.

    p counts the resamples whose difference lies at least as far from the observed one as that lies from zero (Efron and
    Tibshirani 1993, section 16.4: the resampled differences, shifted to the null). Both models see the same resamples.

    Args:
        labels: [n] class numbers.
        a: [n, C] probabilities of one model.
        b: [n, C] probabilities of the other, same rows in the same order.
        patients: [n] patient of each row.
        resamples: R.
        confidence: mass of the interval.
        seed: of the resampling.

    Raises:
        StageError: the arrays disagree.
    """
    if a.shape != b.shape:
        raise StageError("the models predict different rows or classes", expected=a.shape, got=b.shape)
    drawn = draw_patients(patients, labels, resamples=resamples, seed=seed)
    first, second = (bootstrap([ranking_measure(labels, probs)], drawn) for probs in (a, b))
    one, two, n_patients = first.values["auroc"], second.values["auroc"], drawn.counts.shape[1]
    facts = (len(labels), n_patients, len(drawn.counts), drawn.redrawn)
    if one is None or two is None:
        return PairedDifference(None, None, None, None, *facts, reason="the rows hold one class only")
    value = one - two
    if drawn.reason:
        return PairedDifference(value, None, None, None, *facts, reason=drawn.reason)
    moved = first.samples["auroc"] - second.samples["auroc"]
    low, high = np.quantile(moved, [(1 - confidence) / 2, (1 + confidence) / 2])
    as_far = int(np.sum(np.abs(moved - value) >= abs(value) - 1e-12))
    return PairedDifference(value, float(low), float(high), (1 + as_far) / (1 + len(moved)), *facts)
