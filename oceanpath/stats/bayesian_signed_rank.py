"""Bayesian signed-rank test of two models on several cohorts (Benavoli, Corani, Demsar and Zaffalon 2017, section 4.3).

The differences have a Dirichlet process as prior: one pseudo-cohort of weight `PRIOR` whose difference is 0. Every draw
of the weights gives the probabilities that the mean of two differences is below, within and above the region of
practical equivalence (ROPE); the result is how often each of the three is the largest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats

PRIOR = 0.5


@dataclass(frozen=True)
class SignedRank:
    """Posterior probabilities; they sum to 1."""

    first_better: float
    equivalent: float
    """The difference is within the ROPE."""
    second_better: float


def bayesian_signed_rank(differences: Floats, rope: float = 0.01, draws: int = 10_000, seed: int = 42) -> SignedRank:
    """The test of metric of the first model minus that of the second.

    Args:
        differences: [n] one per cohort, n >= 2.
        rope: Half width of the region of practical equivalence; 0 for none.
        draws: Number of draws from the posterior.
        seed: Of the only generator in use.
    """
    if len(differences) < 2 or rope < 0 or not np.isfinite(differences).all():
        raise StageError("two differences or more and a rope from 0 on are needed", got=f"{len(differences)}, {rope}")
    values = np.concatenate([[0.0], differences])
    means = (values[:, None] + values) / 2
    weights = np.random.default_rng(seed).dirichlet(np.r_[PRIOR, np.ones(len(differences))], draws)
    is_of = np.stack([means > rope, np.abs(means) <= rope, means < -rope]).astype(np.float64)
    mass = np.einsum("di,kij,dj->dk", weights, is_of, weights, optimize=True)
    largest = mass >= mass.max(axis=1, keepdims=True) - 1e-12
    shares = (largest / largest.sum(axis=1, keepdims=True)).mean(axis=0)
    return SignedRank(*(float(share) for share in shares))
