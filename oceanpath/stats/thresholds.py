"""A decision threshold, selected on rows that are not reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import Floats, roc_curve

ROUNDING = 1e-12
"""Tolerance of a target."""


@dataclass(frozen=True)
class Threshold:
    """Call a row positive when its score is at or above `value`; finite, or None with a reason."""

    value: float | None
    sensitivity: float | None = None
    specificity: float | None = None
    n: int = 0
    reason: str = ""

    @property
    def youden(self) -> float | None:
        """J = sensitivity + specificity - 1, on the rows it was chosen on."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return self.sensitivity + self.specificity - 1


def youden_threshold(positive: NDArray[np.bool_], scores: Floats) -> Threshold:
    """The threshold with the largest J = sensitivity + specificity - 1 (Youden 1950).

    It is the midpoint of two neighbouring scores. Of equal J the one nearest to 0.5 is chosen, so a score that
    separates nothing gives the lowest score: finite, J = 0.

    Args:
        positive: [n] bool.
        scores: [n] finite.
    """
    if len(positive) != len(scores) or not np.isfinite(scores).all():
        raise StageError("scores are not finite, or not one per row", expected=len(positive), got=len(scores))
    n_pos = int(np.sum(positive))
    if n_pos in (0, len(positive)):
        return Threshold(None, n=len(positive), reason="the rows hold one class only")
    curve = roc_curve(positive, scores)
    cuts = curve.thresholds[1:]
    lower = np.r_[cuts[1:], cuts[-1]]
    middle = (cuts + lower) / 2
    values = np.where(middle > lower, middle, cuts)  # neighbouring floats have no middle
    gain = np.round(curve.y[1:] - curve.x[1:], 12)  # equal J must not differ in the last bit
    best = np.flatnonzero(gain == gain.max())
    chosen = best[np.argmin(np.abs(values[best] - 0.5))]
    sensitivity, specificity = float(curve.y[1 + chosen]), float(1 - curve.x[1 + chosen])
    return Threshold(float(values[chosen]), sensitivity, specificity, len(positive))


def threshold_for_sensitivity(positive: NDArray[np.bool_], scores: Floats, target: float) -> Threshold:
    """The highest threshold whose sensitivity is at least `target`, so the specificity is the highest possible."""
    return _chosen(positive, scores, lambda se, sp: np.where(se >= target - ROUNDING, sp, -np.inf))


def threshold_for_specificity(positive: NDArray[np.bool_], scores: Floats, target: float) -> Threshold:
    """The lowest threshold whose specificity is at least `target`, so the sensitivity is the highest possible."""
    return _chosen(positive, scores, lambda se, sp: np.where(sp >= target - ROUNDING, se, -np.inf))


def threshold_for_costs(positive: NDArray[np.bool_], scores: Floats, ratio: float) -> Threshold:
    """The threshold with the lowest cost, where a missed positive costs `ratio` times a false alarm."""
    share = float(np.mean(positive)) if len(positive) else 0.0
    return _chosen(positive, scores, lambda se, sp: -(ratio * share * (1 - se) + (1 - share) * (1 - sp)))


def _chosen(positive: NDArray[np.bool_], scores: Floats, worth: Callable[[Floats, Floats], Floats]) -> Threshold:
    """The threshold with the largest worth of (sensitivity, specificity): midway between two neighbouring scores.

    Also a threshold above all scores is considered: no row is called positive there.
    """
    n_pos = int(np.sum(positive))
    if n_pos in (0, len(positive)):
        return Threshold(None, n=len(positive), reason="the rows hold one class only")
    curve = roc_curve(positive, scores)
    cuts = np.r_[np.nextafter(curve.thresholds[1], np.inf), curve.thresholds[1:]]
    lower = np.r_[cuts[1:], cuts[-1]]
    middle = (cuts + lower) / 2
    values = np.where(middle > lower, middle, cuts)
    values[0] = cuts[0]
    chosen = int(np.argmax(np.round(worth(curve.y, 1 - curve.x), 12)))
    return Threshold(float(values[chosen]), float(curve.y[chosen]), float(1 - curve.x[chosen]), len(positive))
