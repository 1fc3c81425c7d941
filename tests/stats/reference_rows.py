"""Fixed rows for reference numbers: several slides per patient, ties, and one patient of both classes."""

from __future__ import annotations

import numpy as np

N = 48
ROWS = np.arange(N)
PATIENTS = ROWS * 2 // 3
"""One or two slides per patient."""
NAMES = [f"p{number:02d}" for number in PATIENTS]
FOLDS = PATIENTS % 3
LABELS = (PATIENTS * 7 // 5 % 2).astype(np.int64)
LABELS[1] = 1 - LABELS[0]
THREE = (PATIENTS * 5 // 4 % 3).astype(np.int64)
WAVE = np.sin(3.7 * ROWS) + 0.3 * np.cos(11 * ROWS)


def two_columns(informative: float, phase: float = 0.0) -> np.ndarray:
    """Probabilities of two classes, rounded so that some are equal."""
    score = 1 / (1 + np.exp(-(informative * (LABELS - 0.5) + np.sin(3.7 * ROWS + phase) + 0.3 * np.cos(11 * ROWS))))
    score = np.round(score, 2)
    return np.stack([1 - score, score], axis=1)


def three_columns() -> np.ndarray:
    """Probabilities of three classes."""
    logits = np.stack([np.sin((k + 2) * ROWS) + 0.9 * (k == THREE) for k in range(3)], axis=1)
    odds = np.exp(logits)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


BETTER, WORSE = two_columns(1.5), two_columns(0.7, 1.0)
