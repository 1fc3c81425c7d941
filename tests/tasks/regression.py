"""A regression task as another package would add it: numbers in the label column."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.tasks.base import Strata, Task
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN, Floats, Review

QUARTERS = ("first quarter", "second quarter", "third quarter", "fourth quarter")


class Regression(Task):
    """One number per slide."""

    name = "scores"
    unusable = "with a label that is no number"
    main_metric, main_title = "r2", "R²"
    metrics = ("r2", "mae", "spearman")
    ledger_metrics = metrics
    fold_metrics = metrics
    baselines: ClassVar = {"mean_pool_ridge": MEAN, "max_pool_ridge": MAXIMUM, "bag_length": LENGTH, "mean": ""}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:  # it has no keys
        return cls()

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:  # it has no keys
        return cls()

    def record(self) -> dict[str, Any]:
        return {"task": self.name}

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        bad = sorted({label for label in labels if label and not self.is_valid(label)})
        return [ExperimentError("labels are no numbers", where=where, got=", ".join(bad[:5]))] if bad else []

    def is_valid(self, label: str) -> bool:
        try:
            return math.isfinite(float(label))
        except ValueError:
            return False

    def targets(self, labels: Sequence[str]) -> Floats:
        return np.asarray([float(label) for label in labels], np.float64)

    def strata(self, labels: Sequence[str]) -> Strata:
        values = self.targets(labels)
        edges = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.zeros(3)
        return Strata(QUARTERS, np.searchsorted(edges, values, side="left").astype(np.int64))

    @property
    def columns(self) -> list[str]:
        return ["predicted"]

    def validation_scores(self, values: Floats, targets: Floats) -> dict[str, float | None]:
        return {"val_loss": float(np.mean((values[:, 0] - targets) ** 2))}

    def evaluate(
        self,
        targets: Floats,
        values: Floats,
        drawn: Resamples,
        folds: NDArray[np.int64] | None = None,  # all folds have one scale
    ) -> Bootstrap:
        ranks, predicted = (rankdata(numbers) for numbers in (targets, values[:, 0]))

        def measure(weights: Floats) -> dict[str, Floats]:
            total, error = weights.sum(axis=1), values[:, 0] - targets
            around = targets - (weights @ targets / total)[:, None]
            mean_ranks, mean_predicted = ((weights @ r / total)[:, None] for r in (ranks, predicted))
            a, b = ranks - mean_ranks, predicted - mean_predicted
            with np.errstate(invalid="ignore", divide="ignore"):
                return {
                    "r2": 1 - weights @ error**2 / (weights * around**2).sum(axis=1),
                    "mae": weights @ np.abs(error) / total,
                    "spearman": (weights * a * b).sum(axis=1)
                    / np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)),
                }

        return bootstrap([measure], drawn)

    def compare(self, targets: Floats, values: Floats, drawn: Resamples) -> Bootstrap:
        return self.evaluate(targets, values, drawn)

    def fit_baseline(
        self, x: NDArray[np.float32], targets: Floats, to: NDArray[np.float32], *, penalty: float = 10.0
    ) -> Floats:
        model = make_pipeline(StandardScaler(), Ridge(penalty)).fit(x.astype(np.float64), targets)
        return np.asarray(model.predict(to.astype(np.float64)), np.float64)[:, None]

    def constant_baseline(self, folds: Sequence[Floats]) -> Floats:
        return np.asarray([np.mean([numbers.mean() for numbers in folds])])

    def review(self, labels: Sequence[str], values: Floats) -> Review:
        error = np.abs(values[:, 0] - self.targets(labels))
        return Review([f"{value:.2f}" for value in values[:, 0]], -error, error <= np.median(error))

    def caption(self, label: str, decided: str, certainty: float) -> str:
        return f"{label}, predicted {decided} (error {-certainty:.2f})"
