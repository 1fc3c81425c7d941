"""What a cohort can show: non-inferiority with a stated margin, minimum detectable difference, patients needed.

All of them use the standard error of a difference, for example of `oceanpath.stats.clustered_tests`, which falls with
the root of the number of patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from oceanpath.errors import StageError
from oceanpath.stats.comparison import SMALLEST_P, Comparison, quantile


@dataclass(frozen=True)
class NonInferiority:
    """One-sided test that the difference is above -margin."""

    margin: float
    low: float
    """Lower end of the one-sided interval."""
    p: float

    @property
    def is_shown(self) -> bool:
        """Whether the lower end is above -margin."""
        return self.low > -self.margin


def non_inferiority(found: Comparison, margin: float, alpha: float = 0.025) -> NonInferiority:
    """Test of a difference (new minus reference) against a margin that was stated before the data were seen.

    Raises:
        StageError: the margin is not positive, or the difference has no standard error.
    """
    if margin <= 0 or found.error <= 0:
        raise StageError("non-inferiority needs a positive margin and a standard error", got=f"{margin}, {found.error}")
    low = found.value - quantile(1 - alpha, found.freedom) * found.error
    p = float(stdtr(min(found.freedom, 1e9), -(found.value + margin) / found.error))
    return NonInferiority(margin, low, max(SMALLEST_P, p))


def detectable_difference(error: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference that a two-sided test with this standard error shows with this power."""
    return (quantile(1 - alpha / 2) + quantile(power)) * error


def patients_needed(n_patients: int, error: float, difference: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """Patients with which a true difference is shown with this power, if n_patients had this standard error."""
    if difference <= 0 or error <= 0 or n_patients < 1:
        raise StageError("patients, error and difference must be positive", got=f"{n_patients}, {error}, {difference}")
    return int(np.ceil(n_patients * (detectable_difference(error, power, alpha) / difference) ** 2))
