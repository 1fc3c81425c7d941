"""Several binary labels per slide, such as mutations of genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ArtifactError, OceanPathError, StageError
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.multilabel import evaluate_label_decisions, evaluate_labels, macro_auroc
from oceanpath.stats.patients import AGGREGATIONS, combine_events
from oceanpath.stats.resample import Bootstrap, Resamples
from oceanpath.stats.thresholds import youden_threshold
from oceanpath.tasks.base import Strata, Task
from oceanpath.tasks.evaluation import LENGTH, MAXIMUM, MEAN, PENALTY, Column, Cutoff, DecisionRule, Floats, Review
from oceanpath.tasks.label_sets import PRESENT, UNKNOWN, combinations, is_label_set, label_numbers, read_label_sets

RULE = "each label is present at or above a threshold that was chosen on inner validation rows of its fold (Youden)"


class Multilabel(Task):
    """Targets are 1, 0 or NaN (unknown), [n, L]; values are one probability per label, [n, L]."""

    name = "multilabel"
    stratum = "combination of labels"
    merge = "use more patients"
    unusable = "without a known label"
    main_metric, main_title = "auroc", "Macro AUROC"
    metrics = ("auroc", "auprc", "brier")
    ledger_metrics = metrics
    fold_metrics = ("auroc", "auprc")
    titles: ClassVar = {
        "auroc": "AUROC, mean over labels",
        "auprc": "AUPRC, mean over labels",
        "brier": "Brier score, mean over labels",
        "mean_pool_lr": "Mean-pooled features, logistic regression per label",
        "max_pool_lr": "Max-pooled features, logistic regression per label",
        "bag_length": "Number of patches only",
        "frequency": "Frequencies of the training labels",
    }
    baselines: ClassVar = {"mean_pool_lr": MEAN, "max_pool_lr": MAXIMUM, "bag_length": LENGTH, "frequency": ""}

    def __init__(self, targets: Sequence[str], positive: str = "") -> None:
        self.names, self._positive = tuple(targets), positive

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The columns of ``data.targets``."""
        return cls(settings["targets"], str(settings.get("positive", "")))

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:
        """The labels of a published file. Raises: ArtifactError: they are missing."""
        if not isinstance(record.get("targets"), (list, tuple)):
            raise ArtifactError("the labels are missing", where=where, expected='a list "targets"')
        return cls(record["targets"])

    def record(self) -> dict[str, Any]:
        """The task and the names of the labels, in order."""
        return {"task": self.name, "targets": list(self.names)}

    def label_columns(self, label: str) -> dict[str, str]:  # noqa: ARG002  # the targets are columns of their own
        """One column per label."""
        return {name: name for name in self.names}

    def read_labels(self, cells: LabelCells) -> tuple[list[str], list[OceanPathError]]:
        """The labels of each row."""
        return read_label_sets(cells, self.names, self._positive)

    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:  # noqa: ARG002  # `read_labels` reports them
        """None: `read_labels` reports them per column."""
        return []

    def is_valid(self, label: str) -> bool:
        """Whether every part is 1, 0 or unknown, and one is known."""
        return is_label_set(label, len(self.names))

    def targets(self, labels: Sequence[str]) -> Floats:
        """Numbers [n, L]; NaN where a label is unknown."""
        return label_numbers(labels, len(self.names))

    def strata(self, labels: Sequence[str]) -> Strata:
        """The frequent combinations of labels."""
        return Strata(*combinations(labels, self.names))

    def cohort_notes(self, labels: Sequence[str]) -> list[str]:
        """Numbers of slides per label."""
        columns = zip(self.names, self.targets(labels).T, strict=True)
        counts = [(name, np.sum(own == 1), np.sum(own == 0), np.isnan(own).sum()) for name, own in columns]
        return [
            f"{name}: {present} present, {absent} absent, {unknown} unknown"
            for name, present, absent, unknown in counts
        ]

    def validate_training(self, targets: Floats, where: str) -> None:
        """Raise StageError unless every label is present and absent in a training row."""
        missing = [name for name, own in zip(self.names, targets.T, strict=True) if not {0.0, 1.0} <= set(own)]
        if missing:
            what = "a label has training rows of one value only"
            raise StageError(what, where=where, got=", ".join(missing), do="Use fewer folds, or leave the label out.")

    @property
    def columns(self) -> list[str]:
        """One probability per label."""
        return [f"prob_{name}" for name in self.names]

    def describe_columns(self) -> list[Column]:
        """The probability of each label."""
        return [Column(f"prob_{name}", f"probability that {name} is present") for name in self.names]

    def validate_predictions(self, frame: pd.DataFrame, where: object) -> None:
        """Raise ArtifactError unless values are probabilities."""
        super().validate_predictions(frame, where)
        values = self.values(frame)
        if bad := int(((values < 0) | (values > 1)).any(axis=1).sum()):
            raise ArtifactError("probabilities are not between 0 and 1", where=where, got=f"{bad} rows")

    def validation_scores(self, values: Floats, targets: Floats) -> dict[str, float | None]:
        """Mean cross-entropy of the known labels, and the mean AUROC of the labels."""
        own = np.clip(np.where(targets == 1, values, 1 - values), np.finfo(np.float64).tiny, 1)
        return {"val_loss": float(-np.log(own[~np.isnan(targets)]).mean()), "val_auroc": macro_auroc(targets, values)}

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """The loss, or the mean AUROC and then the loss."""
        loss = float(scores["val_loss"] or 0.0)
        if monitor == "val_loss":
            return (loss,)
        if (area := scores["val_auroc"]) is None:
            what = "every label has one value only in the validation rows"
            raise StageError(what, expected=monitor, do="Set train.monitor=val_loss.")
        return -area, loss

    def decision_facts(self, values: Floats, targets: Floats) -> dict[str, Any]:
        """The threshold of each label; None if the validation rows contain only one of its values."""
        known, facts = ~np.isnan(targets), {}
        for k, name in enumerate(self.names):
            own = known[:, k]
            facts[name] = youden_threshold(targets[own, k] == 1, values[own, k]).value if own.any() else None
        return {"label_thresholds": facts}

    def facts_of(self, entry: Mapping[str, Any]) -> dict[str, float | None]:
        """The threshold of each label."""
        thresholds = entry.get("label_thresholds", {})
        return {f"threshold_{name}": thresholds.get(name) for name in self.names}

    def stated_facts(self, values: Sequence[float | None]) -> dict[str, Any]:
        """One threshold per label."""
        return {"label_thresholds": dict(zip(self.names, values, strict=True))}

    def decision_rule(self, per_fold: Sequence[Mapping[str, Any]]) -> DecisionRule | None:
        """Each fold's own threshold of each label; None if there is none at all."""
        keys = {column: f"threshold_{name}" for column, name in zip(self.columns, self.names, strict=True)}
        thresholds = [{column: fold[key] for column, key in keys.items()} for fold in per_fold]
        is_known = any(value is not None for fold in thresholds for value in fold.values())
        return DecisionRule(RULE, thresholds) if is_known else None

    def evaluate_decisions(
        self, rule: DecisionRule, rows: tuple[Floats, Floats, NDArray[np.int64]], drawn: Resamples, confidence: float
    ) -> dict[str, Estimate]:
        """Sensitivity, specificity and predictive values of each label on its known rows."""
        targets, values, folds = rows
        limits = np.asarray([[fold[column] for column in self.columns] for fold in rule.thresholds], np.float64)[folds]
        decisions = np.where(np.isnan(limits), np.nan, values >= limits)
        return evaluate_label_decisions(targets, decisions, self.names, drawn, confidence)

    def cutoffs(self, per_fold: Sequence[Mapping[str, Any]]) -> list[Cutoff]:
        """The mean of the folds' thresholds of each label."""
        cutoffs = []
        for name, column in zip(self.names, self.columns, strict=True):
            known = [value for fold in per_fold if (value := fold["label_thresholds"][name]) is not None]
            text = f"mean of {len(known)} of {len(per_fold)} members, each determined on inner validation rows (Youden)"
            is_evaluated = len(known) == len(per_fold)
            text += " and evaluated on the test rows of its fold" if is_evaluated else "; not evaluated"
            reason = text if known else "no member has validation rows of both values"
            value = round(float(np.mean(known)), 9) if known else None
            cutoffs.append(Cutoff(column, value, f"{name} present", f"{name} absent", reason))
        return cutoffs

    def evaluate(
        self,
        targets: Floats,
        values: Floats,
        drawn: Resamples,
        folds: NDArray[np.int64] | None = None,  # noqa: ARG002  # labels are ranked over all folds
    ) -> Bootstrap:
        """AUROC, AUPRC and Brier score of each label on its known rows, and their means."""
        return evaluate_labels(targets, values, self.names, drawn)

    def compare(self, targets: Floats, values: Floats, drawn: Resamples) -> Bootstrap:
        """All metrics."""
        return self.evaluate(targets, values, drawn)

    def patient_aggregations(self) -> tuple[str, ...]:
        """All of them: each label is an event."""
        return AGGREGATIONS

    def patient_values(self, values: Floats, numbers: NDArray[np.int64], how: str) -> Floats:
        """As for every task, for each label."""
        return combine_events(values, numbers, how)

    def fit_baseline(
        self, x: NDArray[np.float32], targets: Floats, to: NDArray[np.float32], *, penalty: float = PENALTY
    ) -> Floats:
        """Logistic regression per label, on the rows where it is known."""
        from oceanpath.tasks.logistic import fit_logistic  # scikit-learn takes a second to import

        known = ~np.isnan(targets)
        fitted = [
            fit_logistic(x[own], targets[own, k].astype(np.int64), to, 2, penalty)[:, 1]
            for k, own in enumerate(known.T)
        ]
        return np.stack(fitted, axis=1)

    def constant_baseline(self, folds: Sequence[Floats]) -> Floats:
        """Mean frequency of each label over the folds."""
        return np.asarray(np.mean([np.nanmean(targets, axis=0) for targets in folds], axis=0), np.float64)

    def notes(self, targets: Floats) -> list[str]:
        """Labels with unknown values, which are left out of their metrics."""
        unknown = {name: int(count) for name, count in zip(self.names, np.isnan(targets).sum(axis=0), strict=True)}
        listed = ", ".join(f"{name} {count}" for name, count in unknown.items() if count)
        return [f"unknown_labels: test rows left out of the metrics of a label: {listed}"] if listed else []

    def review(self, labels: Sequence[str], values: Floats) -> Review:
        """The labels with a probability of at least one half, and the mean probability of the known true labels."""
        targets = self.targets(labels)
        own = np.where(targets == 1, values, 1 - values)
        certainty = np.nanmean(np.where(np.isnan(targets), np.nan, own), axis=1)
        is_correct = ((values >= 0.5) == (targets == 1)) | np.isnan(targets)
        decided = [", ".join(np.asarray(self.names)[row >= 0.5]) or "no label" for row in values]
        return Review(decided, certainty, is_correct.all(axis=1))

    def caption(self, label: str, decided: str, certainty: float) -> str:
        """The known labels that are present, and the predicted ones."""
        parts = list(zip(self.names, label.split(";"), strict=True))
        present = ", ".join(name for name, part in parts if part == PRESENT) or "no label"
        unknown = ", ".join(name for name, part in parts if part == UNKNOWN)
        text = f"{present}{f' ({unknown} unknown)' if unknown else ''}"
        return f"{text}, predicted {decided} (mean probability of the labels: {certainty:.3f})"
