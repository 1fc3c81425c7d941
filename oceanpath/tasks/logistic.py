"""Logistic regression on pooled features: the baseline of classification."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oceanpath.tasks.evaluation import PENALTY


def fit_logistic(
    x: NDArray[np.float32],
    labels: NDArray[np.int64],
    to: NDArray[np.float32],
    n_classes: int,
    penalty: float = PENALTY,
) -> NDArray[np.float64]:
    """Probabilities [m, C] of `to` [m, D] by logistic regression on `x` [n, D]; a class without rows gets 0."""
    present = np.unique(labels)
    probs = np.zeros((len(to), n_classes))
    if len(present) == 1:
        probs[:, present] = 1.0
        return probs
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=5000))
    probs[:, present] = model.fit(x.astype(np.float64), labels).predict_proba(to.astype(np.float64))
    return probs
