"""How predictions of a task are evaluated: metrics, baselines, decisions, comparisons."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from oceanpath.stats.estimate import Estimate
from oceanpath.stats.patients import SLIDE_MEAN, mean_of_slides
from oceanpath.stats.resample import Bootstrap, Resamples

Floats = NDArray[np.float64]
Targets = NDArray[Any]
"""[n] numbers of labels: int64 or float64."""
PENALTY = 100.0
"""Ridge penalty of linear models of pooled features: strong, because there are often more features than slides."""
MEAN, MAXIMUM, LENGTH = "mean", "maximum", "length"
"""Features for baselines: the mean or maximum over the patches, or the logarithm of their number."""


@dataclass(frozen=True)
class DecisionRule:
    """How values become decisions, per fold."""

    text: str
    thresholds: list[Any]
    """JSON values, one per fold: a number, or for several columns {column: number, or None if there is none}."""


class Column(NamedTuple):
    """One column of values."""

    name: str
    meaning: str
    unit: str = ""


class Cutoff(NamedTuple):
    """How values of one column become decisions about new slides."""

    column: str
    value: float | None
    """None if it cannot be chosen; `reason` states why."""
    above: str
    """The decision at or above it."""
    below: str
    reason: str
    """How it was chosen."""


class Review(NamedTuple):
    """How well each slide was predicted, for selecting slides to review."""

    decided: list[str]
    """[n] predictions as text."""
    certainty: Floats
    """[n]; a larger value is a better prediction."""
    is_correct: NDArray[np.bool_]
    """[n]."""


class ModelPair(NamedTuple):
    """The predictions of two models for the same slides."""

    targets: Targets
    """[n]."""
    first: Floats
    """[n, K]."""
    second: Floats
    """[n, K]."""
    patients: NDArray[np.int64]
    """[n] number of the patient of each slide."""


class PairOptions(NamedTuple):
    """How models are tested."""

    confidence: float
    permutations: int
    seed: int


class Evaluation(ABC):
    """The part of a task that evaluates predictions. `values` are [n, K], `targets` [n]."""

    main_metric: ClassVar[str]
    """Higher is better; models are compared by it with baselines and with each other."""
    main_title: ClassVar[str]
    """Its name in reports."""
    metrics: ClassVar[tuple[str, ...]]
    """Metrics that every level and every baseline must have."""
    ledger_metrics: ClassVar[tuple[str, ...]]
    """Slide-level metrics that the ledger keeps."""
    fold_metrics: ClassVar[tuple[str, ...]]
    """Metrics that are reported per fold."""
    fold_facts: ClassVar[tuple[str, ...]] = ()
    """Keys of `decision_facts` that the report of each fold repeats."""
    within_folds: ClassVar[str] = ""
    """Name of the main metric over pairs of rows of the same fold; empty if there is none."""
    titles: ClassVar[Mapping[str, str]] = {}
    """Metric or baseline → its name in the model card; others have the name of their key."""
    baselines: ClassVar[Mapping[str, str]]
    """Name → the features it is fitted to; "" for a constant prediction."""
    slide_tests: ClassVar[tuple[str, ...]] = ()
    """Names of the tests in `test_slides`."""

    @abstractmethod
    def evaluate(
        self, targets: Targets, values: Floats, drawn: Resamples, folds: NDArray[np.int64] | None = None
    ) -> Bootstrap:
        """All metrics, on the rows and on every resample; `folds` [n] is the fold whose model predicted each row."""

    @abstractmethod
    def compare(self, targets: Targets, values: Floats, drawn: Resamples) -> Bootstrap:
        """Only the main metric, for comparisons of models."""

    def with_training(self, folds: Sequence[Targets]) -> Self:  # noqa: ARG002  # most metrics need test rows only
        """This task with what metrics need of the training rows of each fold."""
        return self

    def patient_aggregations(self) -> tuple[str, ...]:
        """The values of `eval.patient_aggregation` that are defined for the values of this task."""
        return (SLIDE_MEAN,)

    def patient_values(self, values: Floats, numbers: NDArray[np.int64], how: str) -> Floats:  # noqa: ARG002  # most tasks have one way
        """Values [p, K] of patients from those [n, K] of their slides; `numbers` [n] is the patient of each slide."""
        return mean_of_slides(values, numbers)

    def resampling_strata(self, targets: Targets) -> NDArray[np.int64]:
        """[n] group of each row; every resample must contain every group."""
        return np.zeros(len(targets), np.int64)

    @abstractmethod
    def fit_baseline(
        self, x: NDArray[np.float32], targets: Targets, to: NDArray[np.float32], *, penalty: float = PENALTY
    ) -> Floats:
        """Values [m, K] of `to` [m, D] by a linear model that is fitted to `x` [n, D].

        `penalty` is that of ridge regression on standardised features: penalty / 2 · |coefficients|².
        """

    def facts_of(self, entry: Mapping[str, Any]) -> dict[str, float | None]:
        """The `Task.decision_facts` in the entry of a fold as single numbers, of which an ensemble has the mean."""
        return {key: entry.get(key) for key in self.fold_facts}

    def stated_facts(self, values: Sequence[float | None]) -> dict[str, Any]:
        """`Task.decision_facts` that decide at these values, one per entry of `cutoffs`."""
        return dict(zip(self.fold_facts, values, strict=False))

    @abstractmethod
    def constant_baseline(self, folds: Sequence[Targets]) -> Floats:
        """One prediction [K] for all slides, from the targets of each fold's fitting rows."""

    def decision_rule(self, per_fold: Sequence[Mapping[str, Any]]) -> DecisionRule | None:  # noqa: ARG002  # most tasks decide nothing
        """The rule from the `facts_of` the folds; None if there is none."""
        return None

    def cutoffs(self, per_fold: Sequence[Mapping[str, Any]]) -> list[Cutoff]:  # noqa: ARG002  # most tasks decide nothing
        """Cut-offs for the mean prediction of all folds, from the `Task.decision_facts` of the folds."""
        return []

    def evaluate_decisions(
        self,
        rule: DecisionRule,
        rows: tuple[Targets, Floats, NDArray[np.int64]],
        drawn: Resamples,
        confidence: float,
    ) -> dict[str, Estimate]:
        """Metrics of the decisions of `rule` on rows: targets, values and folds; for tasks with a `decision_rule`."""
        raise NotImplementedError

    def notes(self, targets: Targets) -> list[str]:  # noqa: ARG002  # most tasks have none
        """Notes for readers about these test rows."""
        return []

    @abstractmethod
    def review(self, labels: Sequence[str], values: Floats) -> Review:
        """How well each slide was predicted."""

    @abstractmethod
    def caption(self, label: str, decided: str, certainty: float) -> str:
        """One line about the prediction of a slide."""

    def test_slides(self, pair: ModelPair, options: PairOptions) -> dict[str, dict[str, Any]]:  # noqa: ARG002  # most tasks have none
        """`slide_tests` of two models, with patients as clusters: name → JSON values, with "p"."""
        return {}
