"""How much sensitivity and specificity change when the thresholds move a little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.evaluation.levels import LevelRows

SHIFTS = (0.01, 0.02, 0.05, 0.10)
"""Distances by which all thresholds are raised and lowered."""
GRADED = SHIFTS[0]
GRADES = (("A", 0.02), ("B", 0.05), ("C", 0.10))
"""Grade → largest change of sensitivity or specificity at `GRADED`; beyond the last one the grade is D."""
ROUNDING = 1e-9


def threshold_stability(level: LevelRows, thresholds: Sequence[float]) -> dict[str, Any]:
    """The "stability" of an operating point.

    Thresholds were selected on inner validation rows, and the changes are those of the test rows. Both sensitivity and
    specificity are graded: a threshold at an end of the scale changes only one of them.

    Args:
        level: The test rows, of which the second class is the outcome.
        thresholds: Threshold of each fold.

    Returns: "grade" (None with a "reason" if there is none) and "shifts": distance → largest change of both.
    """
    positive, score = level.targets == 1, level.values[:, 1]
    limits = np.asarray(thresholds, np.float64)[level.folds]
    if not 0 < positive.sum() < len(positive):
        return {"grade": None, "reason": "the test rows hold one class only", "shifts": {}}
    if any(not 0 <= threshold <= 1 for threshold in thresholds):
        return {"grade": None, "reason": "a fold has a threshold that no probability reaches", "shifts": {}}
    shifts = {f"{shift:.2f}": _change(positive, score, limits, shift) for shift in SHIFTS}
    worst = max(shifts[f"{GRADED:.2f}"].values())
    grade = next((name for name, limit in GRADES if worst <= limit + ROUNDING), "D")
    return {"grade": grade, "reason": "", "shifts": shifts}


def _change(
    positive: NDArray[np.bool_], score: NDArray[np.float64], limits: NDArray[np.float64], shift: float
) -> dict[str, float]:
    """The larger change of sensitivity and of specificity when thresholds are raised or lowered by `shift`."""
    before = _rates(positive, score >= limits)
    moved = [_rates(positive, score >= limits + sign * shift) for sign in (-1, 1)]
    names = ("sensitivity", "specificity")
    return {name: max(abs(after[i] - before[i]) for after in moved) for i, name in enumerate(names)}


def _rates(positive: NDArray[np.bool_], called: NDArray[np.bool_]) -> tuple[float, float]:
    """Sensitivity and specificity."""
    return float(np.mean(called[positive])), float(np.mean(~called[~positive]))
