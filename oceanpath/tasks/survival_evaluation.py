"""How predictions of survival are evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import StageError
from oceanpath.stats.estimate import ClosedMetric, Estimate, without_interval
from oceanpath.stats.resample import Bootstrap, Resamples, bootstrap
from oceanpath.stats.survival.cox import baseline_hazard, fit_ridge
from oceanpath.stats.survival.d_calibration import d_calibration
from oceanpath.stats.survival.groups import log_rank
from oceanpath.stats.survival.kaplan_meier import StepCurve, censoring_curve, kaplan_meier
from oceanpath.stats.survival.measures import (
    PredictedSurvival,
    brier_measure,
    brier_scores,
    concordance_measure,
    dynamic_auc_measure,
    rmst_measure,
    within_folds_measure,
)
from oceanpath.tasks.evaluation import (
    LENGTH,
    MAXIMUM,
    MEAN,
    PENALTY,
    Column,
    Cutoff,
    DecisionRule,
    Evaluation,
    Floats,
    Review,
)
from oceanpath.tasks.survival_columns import TITLES, WITHIN_FOLDS, median_cutoff, survival_columns
from oceanpath.tasks.survival_labels import signed_times, times_and_events

RULE = "high risk at or above the median risk of the inner validation rows of the slide's fold"
P_VALUE = "a p-value has no interval"


class TrainingCurves(NamedTuple):
    """Survival of the rows with which a fold was trained, and their probability of being uncensored."""

    survival: StepCurve
    uncensored: StepCurve


def curves_of(targets: Floats) -> TrainingCurves:
    """The curves of rows."""
    time, event = times_and_events(targets)
    return TrainingCurves(kaplan_meier(time, event), censoring_curve(time, event))


class SurvivalEvaluation(Evaluation):
    """Discrimination (C-indices, dynamic AUROC), integrated Brier score and calibration of survival."""

    main_metric, main_title = "c_index", "C-index"
    metrics = ("c_index", WITHIN_FOLDS, "c_uno", "auc_dynamic", "ibs", "ibs_scaled", "d_calibration_p")
    ledger_metrics = metrics
    fold_metrics = ("c_index", "c_uno", "ibs")
    fold_facts = ("risk_threshold",)
    within_folds = WITHIN_FOLDS
    titles = TITLES
    baselines: ClassVar = {"mean_pool_cox": MEAN, "max_pool_cox": MAXIMUM, "bag_length": LENGTH, "kaplan_meier": ""}

    def __init__(self, unit: str, horizons: Sequence[float]) -> None:
        self.unit, self.horizons = unit, np.asarray(horizons, np.float64)
        self.training: tuple[Floats, ...] = ()
        """Targets of the training rows of each fold."""

    @property
    def columns(self) -> list[str]:
        """The risk, and survival at each horizon."""
        return ["risk", *(f"survival_{at:g}" for at in self.horizons)]

    def describe_columns(self) -> list[Column]:
        """The risk, and survival at each horizon."""
        return survival_columns(self.horizons.tolist(), self.unit)

    def with_training(self, folds: Sequence[Floats]) -> Self:
        """With the targets of the training rows of each fold, for the weights of censored rows."""
        task = copy(self)
        task.training = tuple(folds)
        return task

    def evaluate(
        self, targets: Floats, values: Floats, drawn: Resamples, folds: NDArray[np.int64] | None = None
    ) -> Bootstrap:
        """All metrics; without folds, or if training rows are unknown, censoring is estimated from all rows."""
        rows = self._rows(targets, values, folds)
        counted = rows.event & (rows.time < self.horizons[-1]) & (rows.free > 0)
        uno = np.divide(1.0, rows.free**2, out=np.zeros(len(rows.time)), where=counted)
        ranked = rows.time, rows.event, rows.risk
        weights = {"c_index": rows.event.astype(np.float64), "c_uno": uno}
        measures = [concordance_measure(ranked, weights), brier_measure(rows), dynamic_auc_measure(rows)]
        if folds is not None:
            measures.append(within_folds_measure(WITHIN_FOLDS, ranked, folds))
        return bootstrap(measures, drawn).extended({"d_calibration_p": self._calibration(rows)})

    def compare(self, targets: Floats, values: Floats, drawn: Resamples) -> Bootstrap:
        """The C-index of Harrell."""
        time, event = times_and_events(targets)
        measure = concordance_measure((time, event, values[:, 0]), {"c_index": event.astype(np.float64)})
        return bootstrap([measure], drawn)

    def brier(self, targets: Floats, values: Floats, folds: NDArray[np.int64]) -> Floats:
        """Brier score [k] at each horizon."""
        return brier_scores(self._rows(targets, values, folds))

    def _rows(self, targets: Floats, values: Floats, folds: NDArray[np.int64] | None) -> PredictedSurvival:
        time, event = times_and_events(targets)
        n, k = len(time), len(self.horizons)
        free, later, reference = np.empty(n), np.empty((n, k)), np.empty((n, k))
        groups = np.zeros(n, np.int64) if folds is None or not self.training else folds
        for number in np.unique(groups):
            own = groups == number
            curves = curves_of(self._training_rows(targets, None if folds is None else int(number)))
            free[own] = curves.uncensored.at(time[own])
            later[own], reference[own] = curves.uncensored.at(self.horizons), curves.survival.at(self.horizons)
        if (later <= 0).any():
            do = "Set data.horizons to earlier times."
            raise StageError(
                "no training slide of a fold was observed until the last horizon", got=self.horizons[-1], do=do
            )
        return PredictedSurvival(time, event, values[:, 0], values[:, 1:], self.horizons, free, later, reference)

    def _training_rows(self, targets: Floats, fold: int | None) -> Floats:
        """The training rows of a fold; of all folds; or, if none are known, the rows themselves."""
        if not self.training:
            return targets
        return np.concatenate(self.training) if fold is None else self.training[fold]

    def _calibration(self, rows: PredictedSurvival) -> ClosedMetric:
        """P-value of D-calibration; rows observed beyond the last horizon are censored there."""
        event = rows.event & (rows.time <= rows.horizons[-1])
        return ClosedMetric(
            d_calibration(self.survival_at(rows.time, rows.survival), event).p, without_interval(P_VALUE)
        )

    def survival_at(self, time: Floats, survival: Floats) -> Floats:
        """Survival [n] of each row at its own time, from its curve [n, k]: linear between horizons, constant after."""
        at = np.r_[0.0, self.horizons]
        curves = np.clip(np.c_[np.ones(len(time)), survival], 0.0, 1.0)
        return np.asarray([np.interp(t, at, curve) for t, curve in zip(time, curves, strict=True)])

    def resampling_strata(self, targets: Floats) -> NDArray[np.int64]:
        """Rows with an event and censored ones."""
        return times_and_events(targets)[1].astype(np.int64)

    def fit_baseline(
        self, x: NDArray[np.float32], targets: Floats, to: NDArray[np.float32], *, penalty: float = PENALTY
    ) -> Floats:
        """Cox regression with a ridge penalty on standardised features."""
        wide, (time, event) = x.astype(np.float64), times_and_events(targets)
        mean, scale = wide.mean(axis=0), wide.std(axis=0)
        scale[scale == 0] = 1.0
        coefficients = fit_ridge((wide - mean) / scale, time, event, penalty)
        hazard = self.baseline_hazard((wide - mean) / scale @ coefficients, targets)
        return self.values_of((to.astype(np.float64) - mean) / scale @ coefficients, hazard)

    def baseline_hazard(self, risk: Floats, targets: Floats) -> Floats:
        """Log of the cumulative hazard [k] of a row with risk 0 at the horizons, from rows with risks [n]."""
        return baseline_hazard(risk, *times_and_events(targets)).at(self.horizons)

    def values_of(self, risk: Floats, log_hazard: Floats) -> Floats:
        """Values [n, 1 + k] of proportional hazards: log hazards relative to the baseline [n], and its logs [k].

        The risk is the logarithm of the cumulative hazard at the last horizon, which is comparable between models;
        a log hazard ratio alone is not, since any constant can be added to it.
        """
        survival = np.exp(-np.exp(np.minimum(risk[:, None] + log_hazard, 700.0)))
        return np.column_stack([risk + log_hazard[-1], survival])

    def constant_baseline(self, folds: Sequence[Floats]) -> Floats:
        """The mean of the Kaplan-Meier curves of the folds."""
        curves = [curves_of(targets).survival.at(self.horizons) for targets in folds]
        return np.asarray(np.r_[0.0, np.mean(curves, axis=0)], np.float64)

    def decision_rule(self, per_fold: Sequence[Mapping[str, Any]]) -> DecisionRule | None:
        """Each fold's own median risk."""
        return DecisionRule(RULE, [float(entry["risk_threshold"]) for entry in per_fold])

    def cutoffs(self, per_fold: Sequence[Mapping[str, Any]]) -> list[Cutoff]:
        """The mean of the folds' median risks."""
        return [median_cutoff([float(entry["risk_threshold"]) for entry in per_fold])]

    def high_risk(self, rule: DecisionRule, values: Floats, folds: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Rows [n] of the group with high risk."""
        return np.asarray(values[:, 0] >= np.asarray(rule.thresholds)[folds])

    def evaluate_decisions(
        self, rule: DecisionRule, rows: tuple[Floats, Floats, NDArray[np.int64]], drawn: Resamples, confidence: float
    ) -> dict[str, Estimate]:
        """Log-rank test of the two groups, and their difference in restricted mean survival until the last horizon."""
        (time, event), high = times_and_events(rows[0]), self.high_risk(rule, rows[1], rows[2])
        measure = rmst_measure("rmst_difference", (time, event), high, float(self.horizons[-1]))
        found = bootstrap([measure], drawn)
        several = len(np.unique(drawn.numbers)) < len(time)
        p = None if several else log_rank(time, event, high).p
        reason = "the test needs one row per patient" if several else "a group is empty"
        test = ClosedMetric(p, without_interval(P_VALUE), "" if p is not None else reason)
        return found.extended({"log_rank_p": test}).estimates(confidence)

    def notes(self, targets: Floats) -> list[str]:
        """Few events."""
        events = int(times_and_events(targets)[1].sum())
        few = f"few_events: {events} test rows have an event; C-indices of so few are unstable"
        return [few] if events < 30 else []

    def review(self, labels: Sequence[str], values: Floats) -> Review:
        """Survival at the middle horizon, and the predicted probability of what was observed."""
        time, event = times_and_events(signed_times(labels))
        middle = len(self.horizons) // 2
        alive = self.survival_at(time, values[:, 1:])
        certainty = np.where(event, 1 - alive, alive)
        text = f"at {self.horizons[middle]:g} {self.unit}"
        decided = [f"survival {share:.2f} {text}" for share in values[:, 1 + middle]]
        return Review(decided, certainty, certainty >= 0.5)

    def caption(self, label: str, decided: str, certainty: float) -> str:
        """The observed time and the prediction."""
        what = "censored at" if label.endswith("+") else "event at"
        return f"{what} {label.removesuffix('+')} {self.unit}, predicted {decided} (probability {certainty:.2f})"
