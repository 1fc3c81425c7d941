"""Classification of slides: two classes, of which the second is positive, or more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError, OceanPathError, StageError
from oceanpath.stats.closed_metrics import FOLD_MEAN
from oceanpath.stats.clustered_tests import clustered_mcnemar
from oceanpath.stats.discrimination import auroc, ranking_measure
from oceanpath.stats.estimate import UNDEFINED, Estimate
from oceanpath.stats.panel import decide, evaluate, evaluate_decisions
from oceanpath.stats.patients import AGGREGATIONS, SLIDE_MEAN, combine_events
from oceanpath.stats.permutation import permutation_test
from oceanpath.stats.placements import auroc_influence
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.stats.thresholds import Threshold, youden_threshold
from oceanpath.stats.within_folds import NAME as WITHIN_FOLDS
from oceanpath.tasks.base import Strata, Task
from oceanpath.tasks.class_labels import as_class, class_problems
from oceanpath.tasks.evaluation import (
    LENGTH,
    MAXIMUM,
    MEAN,
    PENALTY,
    DecisionRule,
    Floats,
    ModelPair,
    PairOptions,
    Review,
)
from oceanpath.tasks.probabilities import prob_columns, validate_probabilities

RULE = "positive at or above the threshold of the slide's fold, chosen on inner validation rows (Youden)"
DECISIONS = ("sensitivity", "specificity")
Labels = NDArray[np.int64]


class Classification(Task):
    """One class per slide; values are probabilities, targets are class numbers."""

    name = "classification"
    stratum = "class"
    is_exported_as_values = False
    merge = "join classes with split.merge, or leave the class out with split.drop"
    unusable = "with a label that is no class"
    main_metric, main_title = "auroc", "AUROC"
    within_folds = WITHIN_FOLDS
    metrics: ClassVar[tuple[str, ...]] = (
        *("auroc", WITHIN_FOLDS, FOLD_MEAN, "auprc"),
        *("balanced_accuracy", "f1", "mcc", "kappa", "kappa_quadratic", "accuracy"),
        *("brier", "brier_scaled", "log_loss", "ece", "ece_equal_mass", "ece_debiased", "ici"),
        *("calibration_intercept", "calibration_slope"),
    )
    ledger_metrics: ClassVar[tuple[str, ...]] = (
        "auroc",
        WITHIN_FOLDS,
        "auprc",
        "balanced_accuracy",
        "f1",
        "mcc",
        "kappa",
        "brier",
        "ece",
    )
    fold_metrics: ClassVar[tuple[str, ...]] = ("auroc", "balanced_accuracy")
    fold_facts = ("threshold",)
    titles: ClassVar = {
        "mean_pool_lr": "Mean-pooled features, logistic regression",
        "max_pool_lr": "Max-pooled features, logistic regression",
        "majority": "Majority class",
        "bag_length": "Number of patches only",
        "clinical": "Clinical columns only",
    }
    baselines: ClassVar = {"mean_pool_lr": MEAN, "max_pool_lr": MAXIMUM, "bag_length": LENGTH, "majority": ""}
    slide_tests: ClassVar[tuple[str, ...]] = ("mcnemar", "permutation")

    def __init__(self, classes: Sequence[str], *, needs_every_class: bool = True) -> None:
        self.classes, self.needs_every_class = tuple(str(name) for name in classes), needs_every_class

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The classes of ``data.classes``; none if they are not set yet."""
        return cls(settings.get("classes", ()))

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:
        """The classes of a published file. Raises: ArtifactError: they are missing."""
        if not isinstance(record.get("classes"), (list, tuple)):
            raise ArtifactError("the classes are missing", where=where, expected='a list "classes"')
        return cls(record["classes"])

    def record(self) -> dict[str, Any]:
        """The names of the classes, in order."""
        return {"classes": list(self.classes)}

    def read_label(self, cell: str) -> str:
        """The class that a cell names."""
        return as_class(cell, self.classes)

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        """Classes that are not set or have no slide, and labels that resemble a class."""
        return class_problems(labels, self.classes, where, needs_every_class=self.needs_every_class)

    def of_external_cohort(self) -> Self:
        """The same classes; some may have no slide."""
        return type(self)(self.classes, needs_every_class=False)

    def is_valid(self, label: str) -> bool:
        """Whether a label is a class."""
        return label in self.classes

    def targets(self, labels: Sequence[str]) -> Labels:
        """Class numbers [n]."""
        numbers = {name: i for i, name in enumerate(self.classes)}
        return np.asarray([numbers[name] for name in labels], np.int64)

    def strata(self, labels: Sequence[str]) -> Strata:
        """The classes."""
        return Strata(self.classes, self.targets(labels))

    def validate_training(self, targets: Labels, where: str) -> None:
        """Raise StageError unless every class has a training row."""
        if missing := [name for i, name in enumerate(self.classes) if i not in targets]:
            raise StageError("a class has no training rows", where=where, got=", ".join(missing), do="Use fewer folds.")

    @property
    def columns(self) -> list[str]:
        """One probability per class."""
        return prob_columns(self.classes)

    def validate_labels(self, labels: Sequence[str], where: object) -> None:
        """Raise ArtifactError unless every label is a class."""
        if unknown := sorted(set(labels) - set(self.classes)):
            raise ArtifactError(
                "a label is not a class of the model", where=where, expected=[*self.classes], got=unknown
            )

    def validate_predictions(self, frame: pd.DataFrame, where: object) -> None:
        """Raise ArtifactError unless labels are classes and probabilities are valid."""
        self.validate_labels(frame["label"].tolist(), where)
        validate_probabilities(frame, self.classes, where)

    def validation_scores(self, values: Floats, targets: Labels) -> dict[str, float | None]:
        """Mean cross-entropy and AUROC; the AUROC is None if the rows contain only one class."""
        chosen = values[np.arange(len(targets)), targets]
        loss = float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())
        return {"val_loss": loss, "val_auroc": auroc(targets, values).value}

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """The loss, or the AUROC and then the loss: on a small validation set many epochs have the same AUROC."""
        loss = float(scores["val_loss"] or 0.0)
        if monitor == "val_loss":
            return (loss,)
        if (area := scores["val_auroc"]) is None:
            raise StageError(
                "the validation rows contain only one class", expected=monitor, do="Set train.monitor=val_loss."
            )
        return -area, loss

    def decision_facts(self, values: Floats, targets: Labels) -> dict[str, Any]:
        """The threshold for two classes, or why there is none."""
        if values.shape[1] != 2:
            threshold = Threshold(None, n=len(targets), reason="a threshold is defined for two classes")
        else:
            threshold = youden_threshold(targets == 1, values[:, 1])
        return {"threshold": threshold.value, "threshold_reason": threshold.reason}

    def evaluate(
        self, targets: Labels, values: Floats, drawn: Resamples, folds: NDArray[np.int64] | None = None
    ) -> Bootstrap:
        """Discrimination, confusion table and calibration."""
        return evaluate(targets, values, drawn, folds)

    def compare(self, targets: Labels, values: Floats, drawn: Resamples) -> Bootstrap:
        """AUROC and average precision."""
        influence = auroc_influence(targets, values)
        found = bootstrap([ranking_measure(targets, values)], drawn)
        return found if influence is None else replace(found, influences={"auroc": influence})

    def patient_aggregations(self) -> tuple[str, ...]:
        """All of them for two classes, or if they are not known yet: the event is the second class."""
        return AGGREGATIONS if len(self.classes) in (0, 2) else (SLIDE_MEAN,)

    def patient_values(self, values: Floats, numbers: NDArray[np.int64], how: str) -> Floats:
        """As for every task; other ways than the mean combine the probabilities of the second of two classes."""
        if how == SLIDE_MEAN:
            return super().patient_values(values, numbers, how)
        positive = combine_events(values[:, 1:], numbers, how)
        return np.concatenate([1 - positive, positive], axis=1)

    def resampling_strata(self, targets: Labels) -> NDArray[np.int64]:
        """The classes."""
        return targets

    def fit_baseline(
        self, x: NDArray[np.float32], targets: Labels, to: NDArray[np.float32], *, penalty: float = PENALTY
    ) -> Floats:
        """Logistic regression."""
        from oceanpath.tasks.logistic import fit_logistic  # scikit-learn takes a second to import

        return fit_logistic(x, targets, to, len(self.classes), penalty)

    def constant_baseline(self, folds: Sequence[Labels]) -> Floats:
        """Mean class frequencies over the folds."""
        shares = [np.bincount(labels, minlength=len(self.classes)) / len(labels) for labels in folds]
        return np.asarray(np.mean(shares, axis=0), np.float64)

    def decision_rule(self, per_fold: Sequence[Mapping[str, Any]]) -> DecisionRule | None:
        """Each fold's own threshold; None for more than two classes, or if a fold has no threshold."""
        thresholds = [entry.get("threshold") for entry in per_fold]
        known = [float(threshold) for threshold in thresholds if threshold is not None]
        return DecisionRule(RULE, known) if len(self.classes) == 2 and len(known) == len(thresholds) else None

    def evaluate_decisions(
        self, rule: DecisionRule, rows: tuple[Labels, Floats, NDArray[np.int64]], drawn: Resamples, confidence: float
    ) -> dict[str, Estimate]:
        """Metrics of the confusion table."""
        labels, probs, folds = rows
        decisions = (probs[:, 1] >= np.asarray(rule.thresholds, np.float64)[folds]).astype(np.int64)
        return evaluate_decisions(labels, decisions, 2, drawn, confidence=confidence)

    def notes(self, targets: Labels) -> list[str]:
        """Classes without test rows."""
        absent = [name for i, name in enumerate(self.classes) if i not in targets]
        return (
            [f"absent_classes: no test rows of {', '.join(absent)}; averages over classes exclude them"]
            if absent
            else []
        )

    def review(self, labels: Sequence[str], values: Floats) -> Review:
        """Most probable classes, and the probability of the true class."""
        targets, decided = self.targets(labels), decide(values)
        certainty = values[np.arange(len(targets)), targets]
        return Review([self.classes[i] for i in decided], certainty, decided == targets)

    def caption(self, label: str, decided: str, certainty: float) -> str:
        """The true and the predicted class, and the probability of the true class."""
        return f"{label}, predicted {decided} (probability of {label}: {certainty:.3f})"

    def test_slides(self, pair: ModelPair, options: PairOptions) -> dict[str, dict[str, Any]]:
        """McNemar's test of the decisions, and the permutation of the models within patients."""
        is_correct = (decide(pair.first) == pair.targets, decide(pair.second) == pair.targets)
        mcnemar = clustered_mcnemar(is_correct, pair.patients, options.confidence)
        return {"mcnemar": mcnemar.record(), "permutation": _permutation(pair, options)}


def _permutation(pair: ModelPair, options: PairOptions) -> dict[str, Any]:
    if pair.first.shape[1] != 2:
        return {"p": None, "reason": "the permutation test is defined for two classes"}
    positive = pair.targets == 1
    if not 0 < positive.sum() < len(positive):
        return {"p": None, "reason": UNDEFINED["auroc"]}
    scores = (pair.first[:, 1], pair.second[:, 1])
    p = permutation_test(positive, scores, pair.patients, options.permutations, options.seed)
    return {"p": p, "permutations": options.permutations}
