"""A probe of the site: a linear model on the mean features of slides, under folds that keep patients together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.evaluation.pooled import DECIMALS
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.evaluation import Floats, Targets

Features = NDArray[np.float32]


class ProbedSites(NamedTuple):
    """The predictions of the probe for the slides of the sites that have enough patients."""

    rows: NDArray[np.intp]
    """[m] rows of the table."""
    targets: NDArray[np.int64]
    """[m] number of the site."""
    predicted: NDArray[np.int64]
    """[m] number of the predicted site; empty for fewer than two sites."""
    sites: int


def predict_sites(table: pd.DataFrame, x: Features) -> ProbedSites:
    """The predicted site of the slides of sites that have at least as many patients as there are folds.

    Args:
        table: site, patient_id and grouped_fold, one row per slide.
        x: Mean features [n, D].
    """
    folds = table["grouped_fold"].nunique()
    patients = table.groupby("site")["patient_id"].nunique()
    large = sorted(patients.index[patients >= folds])
    own = np.flatnonzero(table["site"].isin(large))
    if len(large) < 2:
        return ProbedSites(own, np.empty(0, np.int64), np.empty(0, np.int64), len(large))
    sites = Classification(large)
    targets = sites.targets(table["site"].iloc[own].tolist())
    values = cross_predict(table["grouped_fold"].to_numpy(np.int64)[own], x[own], targets, sites.fit_baseline)
    return ProbedSites(own, targets, values.argmax(axis=1), len(large))


def probe_sites(table: pd.DataFrame, x: Features) -> dict[str, Any]:
    """The "probe" of metrics.json."""
    probed = predict_sites(table, x)
    counts = {"n": len(probed.rows), "sites": probed.sites}
    if probed.sites < 2:
        return {"accuracy": None, "majority": None, **counts, "reason": "fewer than two sites"}
    accuracy = float((probed.predicted == probed.targets).mean())
    majority = float(np.bincount(probed.targets).max() / len(probed.targets))
    return {"accuracy": accuracy, "majority": majority, **counts}


def cross_predict(
    folds: NDArray[np.int64], x: Features, targets: Targets, fit: Callable[[Features, Targets, Features], Floats]
) -> Floats:
    """Values [n, K] of every row by a model that is fitted to the rows of the other folds."""
    parts = {k: fit(x[folds != k], targets[folds != k], x[folds == k]) for k in np.unique(folds)}
    values = np.empty((len(x), next(iter(parts.values())).shape[1]))
    for number, part in parts.items():
        values[folds == number] = part
    return np.round(values, DECIMALS)
