"""Variance of a metric whose rows are clustered in patients, from the influence of each row.

The influence of a row is its share of the deviation of the metric from its true value (Hampel 1974). Influences of one
patient are summed before they are squared, so that slides of one patient are not counted as independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats

ROUNDING = 1e-15
"""Squares of influences below this are rounding errors."""


@dataclass(frozen=True)
class Influence:
    """A metric and the influence of each row on it."""

    value: float
    rows: Floats
    """[n] influence; the sum over a stratum is 0."""
    leverage: Floats
    """[n] largest change of the metric that one row can cause."""
    strata: NDArray[np.int64]
    """[n] number of the class of each row, or of its class and fold."""

    def minus(self, other: Influence) -> Influence:
        """The difference of two metrics on the same rows."""
        return Influence(self.value - other.value, self.rows - other.rows, self.leverage, self.strata)


@dataclass(frozen=True)
class StratumVariance:
    """The variance that one stratum contributes."""

    variance: float
    n_patients: int
    step: float
    """Change of the metric that one independent patient of average size can cause."""


@dataclass(frozen=True)
class ClusteredVariance:
    """Variance of a metric: the sum over the strata, and the covariance of strata that share patients."""

    strata: tuple[StratumVariance, ...]
    covariance: float

    @property
    def total(self) -> float:
        """The variance; never below 0."""
        return max(0.0, sum(one.variance for one in self.strata) + self.covariance)

    @property
    def fewest_patients(self) -> int:
        """Number of patients of the smallest stratum."""
        return min(one.n_patients for one in self.strata)

    def degrees_of_freedom(self, variances: list[float] | None = None) -> float:
        """Satterthwaite's (1946) approximation from the variance of each stratum."""
        parts = [one.variance for one in self.strata] if variances is None else variances
        weight = sum(v**2 / max(1, one.n_patients - 1) for v, one in zip(parts, self.strata, strict=True))
        return sum(parts) ** 2 / weight if weight > 0 else 1.0


def clustered_variance(influence: Influence, patients: NDArray[np.int64]) -> ClusteredVariance:
    """The variance of a metric.

    With the classes as strata and the placements of an AUROC this is Obuchowski's (1997) variance, eq. 2 to 5, and
    with one row per patient DeLong's (1988).

    Args:
        influence: Rows [n].
        patients: [n] number of the patient of each row, from 0.
    """
    strata, numbers = np.unique(influence.strata, return_inverse=True)
    size = int(patients.max()) + 1
    sums = np.bincount(numbers * size + patients, influence.rows, minlength=len(strata) * size)
    of_patients = sums.reshape(len(strata), size)
    parts = [_stratum(influence, patients, numbers == k, of_patients[k]) for k in range(len(strata))]
    total, n_patients = of_patients.sum(axis=0), int((np.bincount(patients) > 0).sum())
    shared = float((total**2).sum() - (of_patients**2).sum())
    covariance = shared * n_patients / (n_patients - 1) if n_patients > 1 and abs(shared) > ROUNDING else 0.0
    return ClusteredVariance(tuple(parts), covariance)


def _stratum(
    influence: Influence, patients: NDArray[np.int64], is_own: NDArray[np.bool_], of_patients: Floats
) -> StratumVariance:
    """The variance of one stratum.

    Args:
        influence: All rows.
        patients: [n].
        is_own: [n], the rows of the stratum.
        of_patients: [p] summed influence of each patient in it.
    """
    rows, leverage, own = influence.rows[is_own], influence.leverage[is_own], patients[is_own]
    square, count = float(of_patients @ of_patients), int((np.bincount(own) > 0).sum())
    independent, dependent = float(leverage @ leverage), float((np.bincount(own, leverage) ** 2).sum())
    # Slides of one patient count between independent and identical: the mean of the estimated and the largest effect.
    largest = dependent / independent
    effect = min(max(1.0, square / float(rows @ rows)), largest) if square > ROUNDING else largest
    size = independent * float(np.sqrt(effect * largest))
    variance = square * count / (count - 1) if count > 1 else 0.0
    return StratumVariance(variance, count, size / float(leverage.sum()))
