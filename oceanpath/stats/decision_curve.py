"""Net benefit of decisions at a risk threshold (Vickers and Elkin 2006).

At threshold t, a false alarm costs t / (1 - t) of a detected case: net benefit = TP / n - FP / n · t / (1 - t). It is 0
where no row is called positive, and prevalence - (1 - prevalence) · t / (1 - t) where all are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats
from oceanpath.stats.resample import Resamples

THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefits [t] at `thresholds`; the band is None where there are no resamples."""

    thresholds: Floats
    model: Floats
    everybody: Floats
    low: Floats | None
    high: Floats | None

    def record(self) -> dict[str, Any]:
        """JSON values."""
        band = {"low": self.low, "high": self.high}
        values = {"thresholds": self.thresholds, "model": self.model, "all": self.everybody, **band}
        return {name: None if value is None else value.tolist() for name, value in values.items()}


def decision_curve(is_outcome: NDArray[np.bool_], p: Floats, drawn: Resamples, confidence: float) -> DecisionCurve:
    """The net benefit of deciding where the probability p [n] is at or above a threshold, with a band over patients."""
    odds = THRESHOLDS / (1 - THRESHOLDS)
    called = p[:, None] >= THRESHOLDS
    gains = called * np.where(is_outcome[:, None], 1.0, -odds)  # [n, t], the share of each row
    every = np.where(is_outcome[:, None], 1.0, -odds)
    model = gains.mean(axis=0)
    if not len(drawn.counts):
        return DecisionCurve(THRESHOLDS, model, every.mean(axis=0), None, None)
    samples = np.concatenate([weights @ gains / weights.sum(axis=1, keepdims=True) for weights in drawn.blocks()])
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return DecisionCurve(THRESHOLDS, model, every.mean(axis=0), np.minimum(low, model), np.maximum(high, model))
