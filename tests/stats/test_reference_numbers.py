"""The statistics of fixed rows are the same for ever: a change of one of them changes published results."""

from __future__ import annotations

from typing import Any

import numpy as np

from oceanpath.stats.bands import roc_band
from oceanpath.stats.bayesian_signed_rank import bayesian_signed_rank
from oceanpath.stats.binned_errors import debiased_error, ece_equal_mass, equal_mass_bins, integrated_calibration_index
from oceanpath.stats.calibration import expected_error, fit_temperature, outcomes, reliability
from oceanpath.stats.calibrators import fit_calibrators
from oceanpath.stats.closed_metrics import area_metrics, calibration_metrics
from oceanpath.stats.clustered import clustered_variance
from oceanpath.stats.clustered_tests import clustered_mcnemar, paired_delong, unpaired_delong
from oceanpath.stats.comparison import compare
from oceanpath.stats.confusion import table_metrics
from oceanpath.stats.decision_curve import decision_curve
from oceanpath.stats.discrimination import pr_curve, roc_curve
from oceanpath.stats.hand_till import hand_till_influence
from oceanpath.stats.multiplicity import benjamini_hochberg, holm
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.panel import evaluate
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.permutation import permutation_test
from oceanpath.stats.placements import auroc_influence, mean_fold_influence, within_fold_influence
from oceanpath.stats.planning import detectable_difference, non_inferiority, patients_needed
from oceanpath.stats.prevalence import predictive_values
from oceanpath.stats.ranks_of_models import friedman_nemenyi
from oceanpath.stats.recalibration import recalibrate
from oceanpath.stats.regression import regression_measure
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import bootstrap, draw_patients, jackknife
from oceanpath.stats.resampled_t import corrected_resampled_t
from oceanpath.stats.robustness import robustness_index
from oceanpath.stats.thresholds import (
    threshold_for_costs,
    threshold_for_sensitivity,
    threshold_for_specificity,
    youden_threshold,
)

from ..reference import check, plain
from .areas import existing
from .reference_rows import BETTER, FOLDS, LABELS, NAMES, PATIENTS, ROWS, THREE, WAVE, WORSE, N, three_columns

GRID = np.array([0.1, 0.35, 0.5, 0.8])
COMPARED = ("auroc", "auroc_within_folds", "auprc", "accuracy", "balanced_accuracy", "mcc", "brier")


def test_they_are_the_same_for_ever() -> None:
    check("stats", numbers())


def numbers() -> dict[str, Any]:
    """Name → numbers of the fixed rows."""
    return {**areas(), **decisions(), **calibrations(), **comparisons(), **resampled(), **further()}


def areas() -> dict[str, Any]:
    positive, scores = LABELS == 1, BETTER[:, 1]
    three = three_columns()
    influences = {
        "auroc": auroc_influence(LABELS, BETTER),
        "auroc of three": auroc_influence(THREE, three),
        "within folds": within_fold_influence(LABELS, BETTER, FOLDS),
        "within folds of three": within_fold_influence(THREE, three, FOLDS),
        "mean of folds": mean_fold_influence(LABELS, BETTER, FOLDS, PATIENTS),
        "hand and till": hand_till_influence(THREE, three),
    }
    variances = {f"variance, {name}": clustered_variance(existing(one), PATIENTS) for name, one in influences.items()}
    metrics = {
        f"areas of {name}": {key: (one.value, one.interval.method, one.interval.ends(0.95)) for key, one in own.items()}
        for name, own in (
            ("two", area_metrics(LABELS, BETTER, PATIENTS, FOLDS)),
            ("three", area_metrics(THREE, three, PATIENTS, FOLDS)),
            ("three without folds", area_metrics(THREE, three, PATIENTS, None)),
        )
    }
    curves = {"roc": roc_curve(positive, scores), "pr": pr_curve(positive, scores)}
    degrees = {f"freedom, {name}": one.degrees_of_freedom() for name, one in variances.items()}
    return {
        **{name: existing(one).rows for name, one in influences.items()},
        **variances,
        **degrees,
        **metrics,
        **curves,
    }


def decisions() -> dict[str, Any]:
    tables = np.array([[[7, 2, 1], [3, 9, 0], [1, 4, 6]], [[0, 0, 0], [5, 1, 0], [2, 2, 2]]])
    positive, scores = LABELS == 1, BETTER[:, 1]
    return {
        "three classes": table_metrics(tables),
        "two classes": table_metrics(np.array([[[9, 2], [3, 6]]])),
        "youden": youden_threshold(positive, scores),
        "sensitivity": threshold_for_sensitivity(positive, scores, 0.8),
        "specificity": threshold_for_specificity(positive, scores, 0.8),
        "costs": threshold_for_costs(positive, scores, 3.0),
        "prevalence": predictive_values(positive, scores > 0.5, PATIENTS, 0.1),
        "prevalence at 80 %": predictive_values(positive, scores > 0.5, PATIENTS, 0.3, 0.8),
        "patients": patient_rows(NAMES, THREE[PATIENTS * 3 // 2], three_columns()),
    }


def calibrations() -> dict[str, Any]:
    outcome, score = outcomes(LABELS, BETTER)
    several = outcomes(THREE, three_columns())
    errors = (expected_error, ece_equal_mass, debiased_error, integrated_calibration_index)
    closed = {
        name: (one.value, one.interval.ends(0.9)) for name, one in calibration_metrics(LABELS, BETTER, PATIENTS).items()
    }
    fitted = fit_calibrators(LABELS == 1, BETTER[:, 1])
    return {
        "errors of two": [error(outcome, score) for error in errors],
        "errors of three": [error(*several) for error in errors],
        "errors of few": [error(outcome[:4], score[:4]) for error in errors],
        "bins of equal mass": equal_mass_bins(score, 4),
        "reliability": reliability(outcome, score, NAMES),
        "temperature of two": fit_temperature(np.log(BETTER), LABELS),
        "temperature of three": fit_temperature(2 * np.log(three_columns()), THREE),
        "recalibration": recalibrate(outcome, score, PATIENTS),
        "recalibration of rows": recalibrate(outcome, score),
        "calibration metrics": closed,
        "calibrated": {name: fit(GRID) if callable(fit) else fit for name, fit in fitted.items()},
    }


def comparisons() -> dict[str, Any]:
    right = (BETTER[:, 1] > 0.5) == LABELS, (WORSE[:, 1] > 0.5) == LABELS
    tested = compare(-0.02, 0.015, 12.0, 0.9)
    values = np.round(0.7 + 0.1 * np.sin(np.arange(24)), 2).reshape(8, 3)
    return {
        "paired delong": paired_delong(LABELS, (BETTER, WORSE), PATIENTS),
        "unpaired delong": unpaired_delong((LABELS, BETTER, PATIENTS), (LABELS[:30], WORSE[:30], PATIENTS[:30]), 0.9),
        "clustered mcnemar": clustered_mcnemar(right, PATIENTS),
        "compared": tested,
        "non-inferiority": non_inferiority(tested, 0.05),
        "planning": [detectable_difference(0.02, 0.9, 0.01), patients_needed(80, 0.03, 0.05, 0.9, 0.01)],
        "permutation": permutation_test(LABELS == 1, (BETTER[:, 1], WORSE[:, 1]), PATIENTS, 200, 3),
        "resampled t": corrected_resampled_t(np.array([0.02, 0.05, -0.01, 0.03]), 0.25, 0.9),
        "two resamples": corrected_resampled_t(np.array([0.02, 0.05]), 0.25),
        "friedman": friedman_nemenyi(values),
        "holm": holm([0.01, None, 0.04, 0.03, 0.2]),
        "hochberg": benjamini_hochberg([0.01, None, 0.04, 0.03, 0.2]),
        "signed rank": bayesian_signed_rank(np.array([0.02, 0.05, -0.01, 0.03, 0.0]), 0.015, 2000, 1),
    }


def resampled() -> dict[str, Any]:
    drawn = draw_patients(NAMES, LABELS, resamples=60)
    first, second = (evaluate(LABELS, probs, drawn, FOLDS) for probs in (BETTER, WORSE))
    plain_first, plain_second = (
        bootstrap([regression_measure(WAVE, WAVE + shift)], drawn) for shift in (0.3, -WAVE / 3)
    )
    three = evaluate(THREE, three_columns(), draw_patients(NAMES, THREE, resamples=60, seed=1, by_class=True))
    repeated = evaluate_by_repeat(
        ROWS % 2, drawn, N // 2, lambda rows, part: evaluate(LABELS[rows], BETTER[rows], part)
    )
    differences = {name: paired_difference(first, second, (name, name)) for name in COMPARED}
    regressed = {name: paired_difference(plain_first, plain_second, (name, name)) for name in plain_first.values}
    return {
        "drawn": drawn.counts[:3],
        "drawn by class": three.resamples.counts[:3],
        "estimates of two": first.estimates(),
        "estimates of three": three.estimates(0.9),
        "estimates by resampling": plain_first.estimates(),
        "means over repeats": repeated.estimates(),
        "differences": differences,
        "differences by resampling": regressed,
        "without each patient": jackknife([regression_measure(WAVE, WAVE + 0.3 * LABELS)], drawn),
        "band": roc_band(LABELS == 1, BETTER[:, 1], drawn, GRID),
        "net benefit": decision_curve(LABELS == 1, BETTER[:, 1], drawn, 0.9).record(),
    }


def further() -> dict[str, Any]:
    x = np.stack([np.sin(ROWS + k) + 0.5 * (k == THREE) + 0.2 * (k == FOLDS) for k in range(3)], axis=1)
    return {"robustness": robustness_index(x, THREE, FOLDS, NAMES)}


def test_reference_numbers_are_plain_values() -> None:
    assert plain({"a": np.float64(1.5), "b": (np.int64(2), np.nan)}) == {"a": 1.5, "b": [2, "nan"]}
