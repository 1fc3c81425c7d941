"""Baselines: simple models on the same folds, without attention to patches.

A task names its baselines and the pooled features of each: the mean or the maximum over patches, the logarithm of the
number of patches (the predictive value of the amount of tissue), or none for a constant prediction. For classification
these are mean_pool_lr, max_pool_lr and bag_length (logistic regression, C = 0.01, on standardised features) and
majority (class frequencies of the fitting rows). A baseline selects nothing, so it is fitted to all rows of a fold that
are not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts import folds
from oceanpath.artifacts.sites import read_sites
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN, Floats, Targets

DECIMALS = 9
"""Baselines are rounded to this: the last bits of a fit depend on the number of threads of the linear algebra."""


@dataclass(frozen=True)
class PooledSlides:
    """Pooled features of slides."""

    slides: list[str]
    features: Mapping[str, NDArray[np.float32]]
    """Name of the feature (mean, maximum, length) → [S, D]."""

    def rows(self, slides: Sequence[str]) -> list[int]:
        """The rows of slides."""
        row_of = {name: i for i, name in enumerate(self.slides)}
        return [row_of[name] for name in slides]


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
    split, sites = inputs["split"], read_sites(inputs["split"])
    ids = {name for k in range(rows.results["folds"]) for name in folds.read_fold(split, k)["slide_id"]}
    names = sorted(ids if sites is None else ids | set(sites["slide_id"]))
    mean, largest, length = pool(Store(inputs["mmap"], check=inputs.verify), names, progress)
    return PooledSlides(names, {MEAN: mean, MAXIMUM: largest, LENGTH: length})


def fit_baselines(rows: ReportedRows, split: Path, pooled: PooledSlides) -> dict[str, Floats]:
    """Baseline → values [n, K] of the test rows."""
    task = rows.task
    values = {name: np.zeros_like(rows.values) for name in task.baselines}
    fitted = []
    for number in np.unique(rows.folds).tolist():  # the models of an ensemble share their test slides
        slides, targets = fitting_rows(rows, split, number)
        at, tested = pooled.rows(slides), np.flatnonzero(rows.folds == number)
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


def pool(store: Store, slides: list[str], progress: Progress) -> tuple[NDArray[np.float32], ...]:
    """Mean [S, D] and maximum [S, D] over the patches of each slide, and the log of their number [S, 1], float32.

    The number is that before capping.
    """
    mean = np.empty((len(slides), store.dim), np.float32)
    largest, length = np.empty_like(mean), np.empty((len(slides), 1), np.float32)
    progress.start(len(slides), "slides")
    for row, name in enumerate(slides):
        number = store.number(name)
        bag = store.features(number)
        mean[row] = bag.mean(axis=0, dtype=np.float64)  # float32 sums of 10,000 patches lose four digits
        largest[row] = bag.max(axis=0)
        length[row] = np.log(store.index.raw_lengths[number])
        progress.advance()
    return mean, largest, length


def fitting_rows(rows: ReportedRows, split: Path, number: int) -> tuple[list[str], Targets]:
    """Train and val slides of fold `number`, without patients of its test slides, and their targets."""
    fold = folds.read_fold(split, number)
    tested = set(fold.loc[fold["role"] == "test", "patient_id"])
    kept = fold[~fold["patient_id"].isin(tested)]
    return kept["slide_id"].tolist(), rows.task.targets(kept["label"].tolist())
