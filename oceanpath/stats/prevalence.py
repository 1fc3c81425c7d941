"""Predictive values at the prevalence of the intended use, from sensitivity and specificity (Bayes' theorem).

PPV = se · π / (se · π + (1 - sp)(1 - π)), NPV = sp (1 - π) / (sp (1 - π) + (1 - se) π). The interval is that of the
logit, whose variance adds those of log se and log (1 - sp) (Mercaldo, Lau and Zhou 2007, eq. 4), with one half added
to every cell, and patients instead of rows by the design effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from oceanpath.errors import StageError
from oceanpath.stats.intervals.wilson import design_effect


@dataclass(frozen=True)
class PredictiveValue:
    """PPV or NPV with its interval; None where no row is decided so at this prevalence."""

    value: float | None
    low: float | None
    high: float | None
    prevalence: float


def predictive_values(
    is_positive: NDArray[np.bool_],
    is_called: NDArray[np.bool_],
    patients: NDArray[np.int64],
    prevalence: float,
    confidence: float = 0.95,
) -> tuple[PredictiveValue, PredictiveValue]:
    """PPV and NPV at a stated prevalence.

    Args:
        is_positive: [n] bool, with both values present.
        is_called: [n] bool, the decision.
        patients: [n] number of the patient of each row.
        prevalence: Share of positives in the intended use, between 0 and 1.
        confidence: Confidence level.

    Raises:
        StageError: one class only, or a prevalence that is not between 0 and 1.
    """
    if not 0 < prevalence < 1 or is_positive.all() or not is_positive.any():
        raise StageError("predictive values need both classes and a prevalence between 0 and 1", got=prevalence)
    (se, n1), (sp, n0) = (_share(is_called == kind, is_positive == kind, patients) for kind in (True, False))
    odds, z = prevalence / (1 - prevalence), float(ndtri((1 + confidence) / 2))
    return (
        _value(prevalence, se, 1 - sp, (n1, n0), odds, z),
        _value(prevalence, sp, 1 - se, (n0, n1), 1 / odds, z),
    )


def _share(hits: NDArray[np.bool_], rows: NDArray[np.bool_], patients: NDArray[np.int64]) -> tuple[float, float]:
    """Share of hits among rows, and the number of independent rows that it is worth."""
    own = hits[rows].astype(np.float64)
    return float(own.mean()), len(own) / design_effect(own, np.unique(patients[rows], return_inverse=True)[1])


def _value(
    prevalence: float, true: float, false: float, n: tuple[float, float], odds: float, z: float
) -> PredictiveValue:
    """The predictive value of true and false rates, whose `n` are independent rows."""
    if true * odds + false == 0:
        return PredictiveValue(None, None, None, prevalence)
    value = true * odds / (true * odds + false)
    smooth = [(share * rows + 0.5) / (rows + 1) for share, rows in zip((true, false), n, strict=True)]
    variance = sum((1 - share) / ((rows + 1) * share) for share, rows in zip(smooth, n, strict=True))
    middle, half = float(logit(smooth[0] * odds / (smooth[0] * odds + smooth[1]))), z * float(np.sqrt(variance))
    low, high = float(expit(middle - half)), float(expit(middle + half))
    return PredictiveValue(value, min(value, low), max(value, high), prevalence)
