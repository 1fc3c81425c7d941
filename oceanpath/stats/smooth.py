"""Influence of every row on metrics that are smooth functions of sums over the rows, and on average precision.

Delta method: the influence of a row is its columns times the derivative of the metric by each sum, which is a central
difference here. Average precision: its directional derivative by the weight of a row, which has one part for the
precision at the row and one for the precisions at lower scores, whose rows the row is above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.clustered import Influence
from oceanpath.stats.discrimination import Floats, SumMeasure, check_rows, scored_classes

STEP = 1e-5
"""Of the central difference, relative to a sum."""


def sum_influences(measure: SumMeasure, labels: NDArray[np.int64]) -> dict[str, Influence]:
    """Metric → influence [n] of the rows, for the metrics that are defined on them.

    Sums of 0 are not varied: no row contributes to them.

    Args:
        measure: Of the rows.
        labels: [n] class numbers, which are the strata.
    """
    sums = measure.columns.sum(axis=0)
    used = np.flatnonzero(sums)
    steps = np.zeros((len(used), len(sums)))
    steps[np.arange(len(used)), used] = STEP * sums[used]
    found = measure.finish(np.concatenate([sums[None], sums + steps, sums - steps]))
    influences = {}
    for name, values in found.items():
        if not np.isnan(values).any():
            up, down = values[1 : len(used) + 1], values[len(used) + 1 :]
            slopes = (up - down) / (2 * STEP * sums[used])
            influences[name] = _of_rows(float(values[0]), measure.columns[:, used] @ slopes, labels)
    return influences


def auprc_influence(labels: NDArray[np.int64], probs: Floats) -> Influence | None:
    """The influence of every row on the average precision of `oceanpath.stats.discrimination`; None with one class."""
    check_rows(labels, probs)
    parts = [
        _average_precision(labels == c, probs[:, c])
        for c in scored_classes(probs.shape[1])
        if 0 < np.sum(labels == c) < len(labels)
    ]
    if not parts:
        return None
    value, rows = (np.mean(part, axis=0) for part in zip(*parts, strict=True))
    return _of_rows(float(value), rows, labels)


def _of_rows(value: float, rows: Floats, labels: NDArray[np.int64]) -> Influence:
    """Influences are not centred in their class: the number of rows of a class is as random as the rows."""
    return Influence(value, np.asarray(rows), np.full(len(rows), 1 / len(rows)), labels)


def _average_precision(positive: NDArray[np.bool_], scores: Floats) -> tuple[float, Floats]:
    order = np.argsort(-scores, kind="stable")
    hit, ordered = positive[order].astype(np.float64), scores[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    run = np.searchsorted(ends, np.arange(len(ordered)))
    above, n_pos = np.cumsum(hit)[ends], hit.sum()
    precision, own = above / (ends + 1.0), np.diff(np.r_[0.0, above])
    value = float(own @ precision / n_pos)
    share = np.cumsum((own / (ends + 1.0))[::-1])[::-1]
    lost = np.cumsum((own * precision / (ends + 1.0))[::-1])[::-1]
    rows = np.empty(len(scores))
    rows[order] = (hit * (precision[run] - value) + hit * share[run] - lost[run]) / n_pos
    return value, rows
