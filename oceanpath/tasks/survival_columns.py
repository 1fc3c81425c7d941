"""What the predictions and metrics of survival mean, for readers of a bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oceanpath.tasks.evaluation import Column, Cutoff

WITHIN_FOLDS = "c_index_within_folds"
TITLES = {
    "c_index": "C-index (Harrell)",
    WITHIN_FOLDS: "C-index within folds",
    "c_uno": "C-index (Uno)",
    "auc_dynamic": "Mean dynamic AUROC",
    "ibs": "Integrated Brier score",
    "ibs_scaled": "1 minus its ratio to Kaplan-Meier",
    "d_calibration_p": "D-calibration, p-value",
    "log_rank_p": "Log-rank test of the risk groups, p-value",
    "rmst_difference": "Difference in restricted mean survival time",
    "mean_pool_cox": "Mean-pooled features, Cox regression",
    "max_pool_cox": "Max-pooled features, Cox regression",
    "bag_length": "Number of patches only",
    "kaplan_meier": "Kaplan-Meier curve of the training slides",
}
"""Metric or baseline → its name."""


def survival_columns(horizons: Sequence[float], unit: str) -> list[Column]:
    """The risk, and survival at each horizon."""
    risk = Column("risk", "risk; the higher, the earlier the event")
    return [risk, *(Column(f"survival_{at:g}", f"probability of no event until {at:g} {unit}") for at in horizons)]


def median_cutoff(medians: Sequence[float]) -> Cutoff:
    """The mean of the median risks of the validation slides of each fold."""
    reason = f"mean of the median risks of the inner validation slides of {len(medians)} members"
    return Cutoff("risk", round(float(np.mean(medians)), 9), "high risk", "low risk", reason)
