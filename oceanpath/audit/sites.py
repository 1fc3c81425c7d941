"""The site in the features: whether a linear model predicts it, and whether neighbours share the class or the site."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.audit_report import NOT_CHECKED, Finding, verdict
from oceanpath.evaluation.site_probe import predict_sites
from oceanpath.stats.clustered_tests import clustered_mcnemar
from oceanpath.stats.robustness import robustness_index
from oceanpath.tasks.base import Task


def site_from_features(table: pd.DataFrame, x: NDArray[np.float32], margin: float) -> Finding:
    """Whether the probe names more sites than the most frequent site explains, by at least `margin`.

    Args:
        table: The rows of `oceanpath.artifacts.sites`.
        x: Mean features [n, D].
        margin: Smallest difference of the accuracies.
    """
    check, probed = "site_from_features", predict_sites(table, x)
    if probed.sites < 2:
        return Finding(check, NOT_CHECKED, "fewer than two sites have as many patients as there are folds")
    hit = probed.predicted == probed.targets
    majority = probed.targets == np.bincount(probed.targets).argmax()
    patients = np.unique(table["patient_id"].to_numpy()[probed.rows].astype(str), return_inverse=True)[1]
    difference = clustered_mcnemar((hit, majority), patients)
    low = difference.value if difference.low is None else difference.low
    is_found = low > 0 and difference.value >= margin
    share = float(majority.mean())
    text = (
        f"a linear model on mean features names the site of {100 * hit.mean():.0f} % of {len(hit)} slides from "
        f"{probed.sites} sites; the most frequent site has {100 * share:.0f} %"
    )
    return Finding(check, verdict(is_found), text, float(hit.mean()), share + margin)


def robustness(table: pd.DataFrame, x: NDArray[np.float32], task: Task, smallest: float) -> Finding:
    """Whether the robustness index of the mean features is below `smallest`."""
    strata = task.strata(table["label"].tolist()).rows
    sites = np.unique(table["site"].to_numpy().astype(str), return_inverse=True)[1]
    found = robustness_index(x.astype(np.float64), strata, sites, table["patient_id"].tolist())
    if found.value is None:
        return Finding("robustness", NOT_CHECKED, found.reason)
    text = (
        f"robustness index {found.value:.3f}, mean of the lowest tenth of the slides {found.tail:.3f} ({found.k} "
        f"neighbours, {found.n} slides of sites with several labels): 1 means that neighbours share the class, "
        "0 that they share the site"
    )
    return Finding("robustness", verdict(found.value < smallest), text, found.value, smallest)
