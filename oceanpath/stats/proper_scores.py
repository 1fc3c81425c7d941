"""Proper scores: log loss, Brier score and scaled Brier score.

Brier (1950): for two classes the mean of (p - y)² of the last class, 0 to 1; beyond two the sum over classes, 0 to 2.
Log loss (Good 1952): mean of -log of the probability of the true class, in nats; a probability of 0 counts as
`SMALLEST`. Scaled Brier score (Steyerberg 2010): 1 - Brier / Brier of the observed class frequencies; 1 is perfect, 0
is no better than the frequencies, undefined where the rows hold one class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.discrimination import Floats, SumMeasure, check_rows

SMALLEST = float(np.finfo(np.float64).eps)


def proper_measure(labels: NDArray[np.int64], probs: Floats) -> SumMeasure:
    """The measure of log_loss, brier and brier_scaled.

    Args:
        labels: [n] class numbers.
        probs: [n, C].
    """
    check_rows(labels, probs)
    true = np.eye(probs.shape[1])[labels]
    loss = -np.log(np.maximum(probs[np.arange(len(labels)), labels], SMALLEST))
    columns = np.column_stack([loss, ((probs - true) ** 2).sum(axis=1), true])

    def finish(sums: Floats) -> dict[str, Floats]:
        total = sums[:, 2:].sum(axis=1)
        constant = total - (sums[:, 2:] ** 2).sum(axis=1) / total
        scaled = 1 - np.divide(sums[:, 1], constant, out=np.full(len(sums), np.nan), where=constant > 1e-12 * total)
        brier = sums[:, 1] / total / (2 if probs.shape[1] == 2 else 1)
        return {"log_loss": sums[:, 0] / total, "brier": brier, "brier_scaled": scaled}

    return SumMeasure(columns, finish)
