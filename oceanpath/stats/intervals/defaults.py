"""The intervals of reports that need no resampling. Their coverage is in docs/statistics.md."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.discrimination import Floats
from oceanpath.stats.estimate import ClosedInterval, Ends
from oceanpath.stats.intervals.logit_delong import logit_delong
from oceanpath.stats.intervals.smooth_metrics import SCALES, smooth_interval
from oceanpath.stats.intervals.wilson import wilson
from oceanpath.stats.placements import auroc_influence, within_fold_influence
from oceanpath.stats.within_folds import NAME as WITHIN_FOLDS

AREA = "logit DeLong, patients clustered"
PROPORTION = "Wilson with a design effect, patients clustered"
Labels = NDArray[np.int64]


def area_influences(labels: Labels, probs: Floats, folds: NDArray[np.int64] | None = None) -> dict[str, Influence]:
    """Influences on auroc and, with folds, auroc_within_folds; none for an area that is undefined."""
    found = {"auroc": auroc_influence(labels, probs)}
    if folds is not None:
        found[WITHIN_FOLDS] = within_fold_influence(labels, probs, folds)
    return {name: one for name, one in found.items() if one is not None}


def area_interval(influence: Influence, patients: NDArray[np.int64]) -> ClosedInterval:
    """The interval of one area, [n] patients."""

    def ends(confidence: float) -> Ends:
        return logit_delong(influence.value, clustered_variance(influence, patients), confidence)

    return ClosedInterval(AREA, ends)


def influence_interval(name: str, influence: Influence, patients: NDArray[np.int64]) -> ClosedInterval:
    """The interval of a metric of this name from the influences on it."""
    return smooth_interval(name, influence, patients) if name in SCALES else area_interval(influence, patients)


def decision_intervals(
    labels: Labels, decisions: Labels, n_classes: int, patients: NDArray[np.int64]
) -> dict[str, ClosedInterval]:
    """Intervals of accuracy and, with two classes, of sensitivity, specificity, ppv and npv, where they have rows."""
    rows_of = {"accuracy": np.ones(len(labels), bool)}
    if n_classes == 2:
        rows_of |= {"sensitivity": labels == 1, "specificity": labels == 0}
        rows_of |= {"ppv": decisions == 1, "npv": decisions == 0}
    hits = decisions == labels
    return {
        name: ClosedInterval(PROPORTION, partial(wilson, hits[rows], patients[rows]))
        for name, rows in rows_of.items()
        if rows.any()
    }
