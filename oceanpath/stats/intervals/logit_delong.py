"""Interval of an AUROC on the logit scale, with patients as clusters: closed form, no resampling.

Variance: Obuchowski (1997). Scale: Pepe (2003), section 5.2.4. Quantile: Student's t with Satterthwaite's degrees of
freedom, as Brunner and Munzel (2000) use it. Two corrections are OceanPath's own and were chosen by simulation
(docs/statistics.md): near 0 and 1 the placements of few patients show too little spread, so each class has the
additional variance of `PSEUDO` patients whose placement is one half; and the centre moves towards one half by the
weight `SHRINK` of such patients. Both vanish as the number of patients grows. The interval of an AUROC of 1 thus has
a lower end: about 1 - 3 / k for k patients of each class.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, stdtrit

from oceanpath.stats.clustered import ROUNDING, ClusteredVariance
from oceanpath.stats.estimate import Ends

PSEUDO = 0.08
SHRINK = 0.125
MIN_PATIENTS = 4
"""Patients of each class below which no method has the stated coverage."""


def logit_delong(value: float, variance: ClusteredVariance, confidence: float = 0.95) -> Ends:
    """The interval, or why there is none.

    Args:
        value: AUROC.
        variance: Of its influence, with the classes as strata.
        confidence: Confidence level.
    """
    if variance.fewest_patients < MIN_PATIENTS:
        return f"fewer than {MIN_PATIENTS} patients of a class: no interval has its stated coverage"
    parts = [one.variance + PSEUDO * (value - 0.5) ** 2 * one.step**2 for one in variance.strata]
    total = sum(parts) + variance.covariance
    centre = value + SHRINK * (0.5 - value) * sum(one.step for one in variance.strata)
    if total <= ROUNDING:
        return "the ranks have no variance"
    quantile = float(stdtrit(variance.degrees_of_freedom(parts), (1 + confidence) / 2))
    half = quantile * float(np.sqrt(total)) / (centre * (1 - centre))
    middle = float(logit(centre))
    return min(value, float(expit(middle - half))), max(value, float(expit(middle + half)))
