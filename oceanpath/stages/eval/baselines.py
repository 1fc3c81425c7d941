"""Floors: what is reached on the same folds without any attention to patches.

mean_pool_lr, max_pool_lr   logistic regression (C = 0.01) on standardised pooled features
bag_length                  the same on the logarithm of the number of patches: how much the size of the tissue tells
majority                    class frequencies of the fitting rows, the same for every slide

A floor chooses nothing, so it is fitted on all rows of a fold that are not tested.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oceanpath.artifacts import folds
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.eval.rows import ReportedRows

Floats = NDArray[np.float64]
C = 0.01
"""Inverse strength of the penalty: strong, because there are often more features than slides."""
DECIMALS = 9
"""Floors are rounded here: the last bits of a fit depend on how many threads the linear algebra used."""


def predict_baselines(rows: ReportedRows, inputs: Inputs, progress: Progress) -> dict[str, Floats]:
    """Floor → probabilities [n, C] of the test rows, pooled over the folds like the model's.

    Args:
        rows: The test rows.
        inputs: The store and the folds.
        progress: Counts the bags that are read.
    """
    store, split = Store(inputs["mmap"], check=inputs.verify), inputs["split"]
    ids = sorted({name for k in range(rows.results["folds"]) for name in folds.read_fold(split, k)["slide_id"]})
    mean, largest, length = pool(store, ids, progress)
    pooled = {"mean_pool_lr": mean, "max_pool_lr": largest, "bag_length": length}
    place = {name: i for i, name in enumerate(ids)}
    found = {name: np.zeros((len(rows.labels), len(rows.classes))) for name in pooled}
    shares = []
    for number in range(rows.results["folds"]):
        fit, labels = fitting_rows(rows, split, number)
        at, tested = [place[name] for name in fit], np.flatnonzero(rows.folds == number)
        to = [place[name] for name in rows.frame["slide_id"].iloc[tested]]
        shares.append(np.bincount(labels, minlength=len(rows.classes)) / len(labels))
        for name, x in pooled.items():
            found[name][tested] = fit_predict(x[at], labels, x[to], len(rows.classes))
    # One constant for all folds: a constant a fold would rank the folds against their own prevalence when pooled.
    found["majority"] = np.tile(np.mean(shares, axis=0), (len(rows.labels), 1))
    return {name: np.round(probs, DECIMALS) for name, probs in found.items()}


def pool(store: Store, slides: list[str], progress: Progress) -> tuple[NDArray[np.float32], ...]:
    """Mean [S, D] and maximum [S, D] over the patches of each slide, and the log of its patches [S, 1], float32.

    The length is that before capping.
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


def fitting_rows(rows: ReportedRows, split: Path, number: int) -> tuple[list[str], NDArray[np.int64]]:
    """Slides of fold `number` that a floor may see, and their class numbers: train and val, never a tested patient."""
    fold = folds.read_fold(split, number)
    tested = set(fold.loc[fold["role"] == "test", "patient_id"])
    kept = fold[~fold["patient_id"].isin(tested)]
    numbers = {name: i for i, name in enumerate(rows.classes)}
    return kept["slide_id"].tolist(), np.asarray([numbers[name] for name in kept["label"]], np.int64)


def fit_predict(x: NDArray[np.float32], labels: NDArray[np.int64], to: NDArray[np.float32], n_classes: int) -> Floats:
    """Probabilities [m, C] of `to` [m, D] by logistic regression on `x` [n, D]; a class without rows gets 0."""
    present = np.unique(labels)
    probs = np.zeros((len(to), n_classes))
    if len(present) == 1:
        probs[:, present] = 1.0
        return probs
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=5000))
    probs[:, present] = model.fit(x.astype(np.float64), labels).predict_proba(to.astype(np.float64))
    return probs
