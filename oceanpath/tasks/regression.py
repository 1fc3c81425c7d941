"""Regression: one number per slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ExperimentError, OceanPathError, StageError
from oceanpath.stats.regression import regression_measure
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.tasks.base import Strata, Task
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN, PENALTY, Column, Floats, Review
from oceanpath.tasks.numbers import advice, is_number, rows_of_text

QUARTERS = ("first quarter", "second quarter", "third quarter", "fourth quarter")


class Regression(Task):
    """Targets and values are numbers."""

    name = "regression"
    stratum = "quarter of the labels"
    merge = "use more patients"
    unusable = "with a label that is not a number"
    main_metric, main_title = "r2", "R²"
    metrics = ("r2", "mae", "pearson", "spearman")
    ledger_metrics = metrics
    fold_metrics = metrics
    titles: ClassVar = {
        "r2": "R²",
        "mae": "Mean absolute error",
        "pearson": "Correlation (Pearson)",
        "spearman": "Correlation (Spearman)",
        "mean_pool_ridge": "Mean-pooled features, ridge regression",
        "max_pool_ridge": "Max-pooled features, ridge regression",
        "bag_length": "Number of patches only",
        "mean": "Mean of the training labels",
    }
    baselines: ClassVar = {"mean_pool_ridge": MEAN, "max_pool_ridge": MAXIMUM, "bag_length": LENGTH, "mean": ""}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:  # noqa: ARG003  # it has no keys
        """The task."""
        return cls()

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:  # noqa: ARG003  # it has no keys
        """The task."""
        return cls()

    def record(self) -> dict[str, Any]:
        """The name of the task."""
        return {"task": self.name}

    def read_labels(self, cells: LabelCells) -> tuple[list[str], list[OceanPathError]]:
        """The cells, and those that are not numbers, with their lines."""
        labels = cells.columns["label"]
        if not (rows := rows_of_text(labels)):
            return labels, self.label_problems(labels, f"{cells.path} column {cells.names['label']}")
        where, got = f"{cells.path} column {cells.names['label']}", f"{labels[rows[0]]!r} in {cells.place(rows)}"
        do = advice([labels[row] for row in rows])
        return labels, [ExperimentError("labels are not numbers", where=where, got=got, do=do)]

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        """A column with a single value."""
        values = {float(label) for label in labels if label}
        if len(values) > 1:
            return []
        return [ExperimentError("all labels are the same number", where=where, got=", ".join(map(str, values)))]

    def is_valid(self, label: str) -> bool:
        """Whether a label is a number."""
        return is_number(label)

    def targets(self, labels: Sequence[str]) -> Floats:
        """The numbers [n]."""
        return np.asarray([float(label) for label in labels], np.float64)

    def strata(self, labels: Sequence[str]) -> Strata:
        """Quarters of the labels."""
        values = self.targets(labels)
        edges = np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.zeros(3)
        present, rows = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
        return Strata(tuple(QUARTERS[k] for k in present), rows.astype(np.int64))

    def cohort_notes(self, labels: Sequence[str]) -> list[str]:
        """Range and median of the labels."""
        low, middle, high = np.quantile(self.targets(labels), [0, 0.5, 1])
        return [f"regression: {len(labels)} labels from {low:g} to {high:g}, median {middle:g}"]

    def validate_training(self, targets: Floats, where: str) -> None:
        """Raise StageError if all targets are equal."""
        if not np.ptp(targets) > 0:
            raise StageError("all training labels are the same number", where=where, got=float(targets[0]))

    @property
    def columns(self) -> list[str]:
        """The predicted number."""
        return ["predicted"]

    def describe_columns(self) -> list[Column]:
        """The predicted number."""
        return [Column("predicted", "predicted number, on the scale of the labels of the training cohort")]

    def validation_scores(self, values: Floats, targets: Floats) -> dict[str, float | None]:
        """The mean absolute error, and R²; the loss is that of the objective."""
        error, spread = values[:, 0] - targets, float(np.sum((targets - targets.mean()) ** 2))
        r2 = 1 - float(error @ error) / spread if spread > 0 else None
        return {"val_mae": float(np.abs(error).mean()), "val_r2": r2}

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """The loss, or the mean absolute error and then the loss."""
        return tuple(float(scores[name] or 0.0) for name in dict.fromkeys((monitor, "val_loss")))

    def evaluate(
        self,
        targets: Floats,
        values: Floats,
        drawn: Resamples,
        folds: NDArray[np.int64] | None = None,  # noqa: ARG002  # all folds predict on the scale of the labels
    ) -> Bootstrap:
        """R², mean absolute error and correlations."""
        return bootstrap([regression_measure(targets, values[:, 0])], drawn)

    def compare(self, targets: Floats, values: Floats, drawn: Resamples) -> Bootstrap:
        """All metrics."""
        return self.evaluate(targets, values, drawn)

    def fit_baseline(
        self, x: NDArray[np.float32], targets: Floats, to: NDArray[np.float32], *, penalty: float = PENALTY
    ) -> Floats:
        """Ridge regression on standardised features."""
        from sklearn.linear_model import Ridge  # scikit-learn takes a second to import
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), Ridge(penalty)).fit(x.astype(np.float64), targets)
        return np.asarray(model.predict(to.astype(np.float64)), np.float64)[:, None]

    def constant_baseline(self, folds: Sequence[Floats]) -> Floats:
        """The mean of the means of the folds."""
        return np.asarray([np.mean([targets.mean() for targets in folds])])

    def review(self, labels: Sequence[str], values: Floats) -> Review:
        """The predictions; those with an error above the median are the worse half."""
        error = np.abs(values[:, 0] - self.targets(labels))
        return Review([f"{value:.4g}" for value in values[:, 0]], -error, error <= np.median(error))

    def caption(self, label: str, decided: str, certainty: float) -> str:
        """The label and the prediction."""
        return f"{label}, predicted {decided} (error {-certainty:.4g})"
