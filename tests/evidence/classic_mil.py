"""A support vector machine on a classic multiple-instance data set, on the folds of its experiment.

usage: python -m tests.evidence.classic_mil WORKSPACE/experiments/musk1

A bag is the minimum and the maximum of each feature, standardised on the training bags; RBF kernel, C = 1.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from oceanpath.artifacts import folds
from oceanpath.artifacts.store.reader import Store


def accuracies(experiment: Path) -> list[float]:
    """The accuracy of each repeat, over the test bags of its folds."""
    store = Store(experiment / "mmap")
    bags = {name: np.asarray(store.features(store.number(name)), np.float64) for name in store.slide_ids}
    vectors = {name: np.concatenate([rows.min(axis=0), rows.max(axis=0)]) for name, rows in bags.items()}
    correct = defaultdict(list)
    for number, fold in enumerate(folds.read_splits(experiment / "split")["plan"]):
        frame = folds.read_fold(experiment / "split", number)
        test = frame["role"] == "test"
        rows = np.array([vectors[name] for name in frame["slide_id"]])
        machine = make_pipeline(StandardScaler(), SVC()).fit(rows[~test], frame["label"][~test])
        correct[fold["repeat"]].extend(machine.predict(rows[test]) == frame["label"][test])
    return [float(np.mean(repeat)) for repeat in correct.values()]


if __name__ == "__main__":
    found = accuracies(Path(sys.argv[1]))
    print(f"{np.mean(found):.3f}", ", ".join(f"{value:.3f}" for value in found))
