"""Calibration of probabilities: expected calibration error, reliability, temperature.

ECE (Naeini et al. 2015, eq. 3): mean gap between the mean probability and the observed share, weighted by rows, over 10
bins of equal width on [0, 1]. For two classes the probability is that of the last class, so all bins are used; beyond
two it is that of the decided class, and the outcome is whether the decision is right. A bin holds (low, high]; the
first one also holds 0. Chance alone makes a positive ECE, and resampling adds more: its interval lies high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats

BINS = 10
TEMPERATURES = (0.05, 20.0)
"""Bounds of a fitted temperature: beyond them the validation rows are separable or useless."""


@dataclass(frozen=True)
class Reliability:
    """Bins that hold rows, in order of probability."""

    mean_predicted: Floats
    observed: Floats
    """Share of rows with the outcome, [b]."""
    count: NDArray[np.int64]
    """Rows, [b]."""
    low: Floats
    """Interval of `observed`, [b]."""
    high: Floats


@dataclass(frozen=True)
class Temperature:
    """Divide logits by `value`."""

    value: float
    nll_before: float
    """Mean negative log-likelihood in nats, at temperature 1."""
    nll_after: float


def expected_error(outcome: Floats, score: Floats, bins: int = BINS) -> float:
    """ECE of outcomes [n] (0 or 1) and their probabilities [n], over bins of equal width."""
    gaps = np.bincount(bin_numbers(score, bins), outcome - score)
    return float(np.abs(gaps).sum() / len(score))


def outcomes(labels: NDArray[np.int64], probs: Floats) -> tuple[Floats, Floats]:
    """Outcome [n] (0 or 1) and its probability [n], as the ECE of this page judges them."""
    if probs.shape[1] == 2:
        return (labels == 1).astype(np.float64), probs[:, 1]
    decided = probs.argmax(axis=1)
    return (labels == decided).astype(np.float64), probs[np.arange(len(probs)), decided]


def bin_numbers(score: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """Bin [n] of each probability, 0 to bins - 1."""
    edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.searchsorted(edges, score, side="left").astype(np.int64)


def reliability(
    outcome: Floats, score: Floats, patients: Sequence[str], *, confidence: float = 0.95, bins: int = BINS
) -> Reliability:
    """Observed share against mean probability, a bin at a time.

    Args:
        outcome: [n], 0 or 1.
        score: [n] probability of the outcome.
        patients: [n] patient of each row.
        confidence: mass of the interval.
        bins: how many of equal width; empty ones are left out.

    Returns:
        Bins with Wilson's interval (1927), in which patients and not rows are counted. A bin whose rows all agree
        keeps an interval, which resampling would deny it.
    """
    used, place = np.unique(bin_numbers(score, bins), return_inverse=True)
    count = np.bincount(place)
    predicted, observed = np.bincount(place, score) / count, np.bincount(place, outcome) / count
    pairs = np.unique(np.stack([place, np.unique(np.asarray(patients, str), return_inverse=True)[1]]), axis=1)
    n = np.bincount(pairs[0], minlength=len(used))
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    centre = (observed + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (observed * (1 - observed) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return Reliability(predicted, observed, count, (centre - half).clip(0, 1), (centre + half).clip(0, 1))


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> Temperature:
    """The temperature that minimises the negative log-likelihood (Guo et al. 2017, section 4.2).

    Args:
        logits: [n, C] logits, or log-probabilities; finite.
        labels: [n] class numbers of rows that will not be reported.

    Returns:
        A value within `TEMPERATURES`; a bound is returned where the rows ask for more.
    """
    if logits.ndim != 2 or len(logits) != len(labels) or len(labels) == 0 or not np.isfinite(logits).all():
        raise StageError("logits and labels disagree, or a logit is not finite", expected=len(labels), got=logits.shape)
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lambda log_t: _nll(logits / np.exp(log_t), labels), bounds=(low, high), method="bounded")
    best = min((float(np.exp(found.x)), *TEMPERATURES, 1.0), key=lambda t: _nll(logits / t, labels))
    return Temperature(best, _nll(logits, labels), _nll(logits / best, labels))


def _nll(logits: Floats, labels: NDArray[np.int64]) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - picked))
