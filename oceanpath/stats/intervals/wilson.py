"""Interval of a proportion of rows that are clustered in patients: Wilson's (1927) with a design effect.

The number of rows is divided by the estimated design effect (Rao and Scott 1992), which is kept between 1
(independent slides) and that of identical slides of one patient; where all rows agree it is the latter, because the
rows then contain no information about it. The quantile is Student's t for the number of patients (Korn and Graubard
1998). An interval exists also where all rows agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import Ends

MIN_PATIENTS = 5
"""Patients below which no method has the stated coverage."""


def wilson(hits: NDArray[np.bool_], patients: NDArray[np.int64], confidence: float = 0.95) -> Ends:
    """The interval of the share of hits, or why there is none.

    Args:
        hits: [n] bool.
        patients: [n] number of the patient of each row.
        confidence: Confidence level.
    """
    names, numbers = np.unique(patients, return_inverse=True)
    if len(names) < MIN_PATIENTS:
        return f"fewer than {MIN_PATIENTS} patients: no interval has its stated coverage"
    share = float(hits.mean())
    effective = len(hits) / design_effect(hits.astype(np.float64), numbers)
    k = float(stdtrit(len(names) - 1, (1 + confidence) / 2)) ** 2 / effective
    centre, half = (share + k / 2) / (1 + k), float(np.sqrt(k * share * (1 - share) + k**2 / 4)) / (1 + k)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def design_effect(values: Floats, numbers: NDArray[np.int64]) -> float:
    """Variance of the mean of clustered rows divided by that of independent rows, between its two limits."""
    count = np.bincount(numbers)
    limit = float((count**2).sum() / count.sum())
    deviation = values - values.mean()
    independent = float(deviation @ deviation)
    if independent == 0:
        return limit
    clustered = float((np.bincount(numbers, deviation) ** 2).sum()) * len(count) / max(1, len(count) - 1)
    return min(max(1.0, clustered / independent), limit)
