"""Baselines: simple models on the same folds, without attention to patches.

A task names its baselines and the pooled features of each: the mean or the maximum over patches, the logarithm of the
number of patches (the predictive value of the amount of tissue), or none for a constant prediction. For classification
these are mean_pool_lr, max_pool_lr and bag_length (logistic regression with a ridge penalty of 100 on standardised
features) and majority (class frequencies of the fitting rows). A baseline selects nothing, so it is fitted to all rows
of a fold that are not tested.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.artifacts import folds
from oceanpath.artifacts.sites import read_sites
from oceanpath.artifacts.store.patients import open_bags
from oceanpath.evaluation.pooled import DECIMALS, PooledSlides, pool
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.tasks.evaluation import Floats, Targets


def predict_baselines(rows: ReportedRows, inputs: Inputs, progress: Progress) -> dict[str, Floats]:
    """Baseline → values [n, K] of the test rows, pooled over the folds like the model's.

    Args:
        rows: The test rows.
        inputs: The store and the folds.
        progress: Counts the bags that are read.
    """
    return fit_baselines(rows, inputs["split"], pool_slides(rows, inputs, progress))


def pool_slides(rows: ReportedRows, inputs: Inputs, progress: Progress) -> PooledSlides:
    """Pooled features of all slides of the folds, and of all slides with a known site."""
    ids, sites = fold_slides(rows, inputs["split"]), read_sites(inputs["split"])
    names = sorted(ids if sites is None else {*ids, *sites["slide_id"]})
    progress.start(len(names), "slides")
    return pool(open_bags(inputs["mmap"], inputs["split"], check=inputs.verify), names, progress.advance)


def fold_slides(rows: ReportedRows, split: Path) -> list[str]:
    """All slides of the folds, sorted."""
    return sorted({name for k in set(rows.plan.split_folds) for name in folds.read_fold(split, k)["slide_id"]})


def fit_baselines(rows: ReportedRows, split: Path, pooled: PooledSlides) -> dict[str, Floats]:
    """Baseline → values [n, K] of the test rows."""
    task = rows.task
    values = {name: np.zeros_like(rows.values) for name in task.baselines}
    fitted, own_folds = [], rows.split_folds
    for number in np.unique(own_folds).tolist():  # the models of an ensemble, and of all seeds, share their test slides
        slides, targets = fitting_rows(rows, split, number)
        at, tested = pooled.rows(slides), np.flatnonzero(own_folds == number)
        to = pooled.rows(rows.frame["slide_id"].iloc[tested].tolist())
        fitted.append(targets)
        for name, feature in task.baselines.items():
            if feature:
                x = pooled.features[feature]
                values[name][tested] = task.fit_baseline(x[at], targets, x[to])
    # One constant for all folds: a constant per fold would rank the folds by their own prevalence when pooled.
    constant = task.constant_baseline(fitted)
    values |= {
        name: np.tile(constant, (len(rows.values), 1)) for name, feature in task.baselines.items() if not feature
    }
    return {name: np.round(predicted, DECIMALS) for name, predicted in values.items()}


def fitting_rows(rows: ReportedRows, split: Path, number: int) -> tuple[list[str], Targets]:
    """Train and val slides of fold `number`, without patients of its test slides, and their targets."""
    fold = folds.read_fold(split, number)
    tested = set(fold.loc[fold["role"] == "test", "patient_id"])
    kept = fold[~fold["patient_id"].isin(tested)]
    return kept["slide_id"].tolist(), rows.task.targets(kept["label"].tolist())
