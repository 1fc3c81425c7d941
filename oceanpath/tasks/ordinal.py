"""Ordinal classification: classes with an order, such as grades."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.discrimination import Floats, Measure, Weights, ranking_measure
from oceanpath.stats.panel import decide
from oceanpath.stats.patients import SLIDE_MEAN
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.tasks.classification import Classification, Labels


class Ordinal(Classification):
    """One of several classes in the order of `data.classes`; values are probabilities of the classes."""

    name = "ordinal"
    main_metric, main_title = "kappa_quadratic", "Quadratic kappa"
    within_folds = ""
    metrics = (*Classification.metrics, "mae_grade")
    ledger_metrics = (*Classification.ledger_metrics, "kappa_quadratic", "mae_grade")
    fold_metrics = ("kappa_quadratic", "mae_grade", "auroc")

    def record(self) -> dict[str, Any]:
        """The task, and the names of the classes, in order."""
        return {"task": self.name, **super().record()}

    def patient_aggregations(self) -> tuple[str, ...]:
        """The mean: a grade is no event."""
        return (SLIDE_MEAN,)

    def evaluate(
        self, targets: Labels, values: Floats, drawn: Resamples, folds: NDArray[np.int64] | None = None
    ) -> Bootstrap:
        """The metrics of classification, the mean error in grades, and the AUROC of each threshold between classes."""
        found, further = (
            super().evaluate(targets, values, drawn, folds),
            bootstrap(self._measures(targets, values), drawn),
        )
        samples = {**found.samples, **further.samples}
        return Bootstrap(
            {**found.values, **further.values},
            samples,
            found.n,
            drawn,
            found.closed,
            {**found.undefined, **self._absent()},
        )

    def compare(self, targets: Labels, values: Floats, drawn: Resamples) -> Bootstrap:
        """The metrics of the confusion table."""
        return bootstrap([confusion_measure(targets, decide(values), len(self.classes))], drawn)

    def _measures(self, targets: Labels, values: Floats) -> list[Measure]:
        distance = np.abs(decide(values) - targets)

        def error(weights: Weights) -> dict[str, Floats]:
            return {"mae_grade": np.asarray(weights @ distance / weights.sum(axis=1))}

        return [error, *(self._threshold(k, targets, values) for k in range(1, len(self.classes)))]

    def _threshold(self, k: int, targets: Labels, values: Floats) -> Measure:
        """The AUROC of the probability of class `k` or a higher one."""
        above = np.clip(values[:, k:].sum(axis=1), 0, 1)
        ranking = ranking_measure((targets >= k).astype(np.int64), np.column_stack([1 - above, above]))
        name = self._names()[k - 1]
        return lambda weights: {name: ranking(weights)["auroc"]}

    def _names(self) -> list[str]:
        """Names of the AUROCs of the thresholds."""
        return [f"auroc_from_{name}" for name in self.classes[1:]]

    def _absent(self) -> dict[str, str]:
        """Why an AUROC of a threshold does not exist, where it does not."""
        return dict.fromkeys(self._names(), "all rows are on one side of the threshold")
