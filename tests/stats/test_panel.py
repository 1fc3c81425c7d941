import numpy as np
import pytest

from oceanpath.stats.panel import decide, evaluate_decisions
from oceanpath.stats.resample import PERCENTILE, draw_patients
from oceanpath.stats.within_folds import NAME, within_fold_measure

from ..narrowing import required

WITHOUT = ("ece", "ece_equal_mass", "ece_debiased", "ici")
"""Metrics without an interval."""


def test_two_classes_have_all_metrics_with_intervals(estimates, cohort):
    labels, probs, patients = cohort(100, per_patient=2)
    found = estimates(labels, probs, patients, resamples=200)
    assert set(found) == {
        "auroc", "auprc", "accuracy", "balanced_accuracy", "f1", "mcc", "kappa", "kappa_quadratic", "sensitivity",
        "specificity", "ppv", "npv", "brier", "brier_scaled", "log_loss", "ece", "ece_equal_mass", "ece_debiased",
        "ici", "calibration_intercept", "calibration_slope",
    }  # fmt: skip
    for name, estimate in found.items():
        assert estimate.n == 100 and estimate.n_patients == 50
        assert estimate.resamples == (0 if estimate.method not in ("", PERCENTILE) or name in WITHOUT else 200)
        assert (estimate.method == "") == (name in WITHOUT)
        assert name in WITHOUT or estimate.low < estimate.value < estimate.high


def test_a_calibrated_model_has_an_ece_without_an_interval_and_the_reason(estimates):
    """Percentile intervals of an ECE excluded the ECE itself in 8 of 40 such samples."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        p = rng.random(150)
        labels = (rng.random(150) < p).astype(int)
        found = estimates(labels, np.stack([1 - p, p], axis=1), [f"p{i}" for i in range(150)], resamples=200)
        assert 0 < found["ece"].value < 0.2 and found["ece"].low is None and found["ece"].high is None
        assert "resampling raises it" in found["ece"].reason
        for name, estimate in found.items():
            assert name in WITHOUT or estimate.low <= estimate.value <= estimate.high, name


def test_rows_of_several_folds_also_have_the_area_within_them(estimates, cohort):
    labels, probs, patients = cohort(60)
    folds = np.arange(60) // 2 % 3
    found = estimates(labels, probs, patients, folds, resamples=100)
    within = within_fold_measure(labels, probs, folds)(np.ones((1, 60)))[NAME][0]
    assert found[NAME].value == within != found["auroc"].value
    assert found[NAME].low < within < found[NAME].high
    assert NAME not in estimates(labels, probs, patients, resamples=100)


def test_twelve_classes_of_a_perfect_model_are_perfect(estimates):
    """Class 10 and 11 must not be read as if they followed class 1."""
    labels = np.arange(48) % 12
    probs = np.eye(12)[labels] * 0.9 + 0.1 / 12
    found = estimates(labels, probs, [f"p{i}" for i in range(48)], resamples=100)
    assert found["accuracy"].value == found["auroc"].value == found["f1"].value == 1


def test_one_class_is_undefined_with_a_reason_and_the_rest_remains(estimates):
    found = estimates(np.zeros(6, int), np.full((6, 2), 0.5), [f"p{i}" for i in range(6)], resamples=100)
    assert found["auroc"].value is None and "one class" in found["auroc"].reason
    assert found["sensitivity"].value is None and found["brier"].value == 0.25


def test_a_half_is_decided_for_the_last_class_of_two():
    assert decide(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist() == [1, 0]
    assert decide(np.array([[0.3, 0.3, 0.4], [0.4, 0.4, 0.2]])).tolist() == [2, 0]


def test_decisions_made_elsewhere(estimates, cohort):
    labels, probs, patients = cohort(80)
    drawn = draw_patients(patients, labels, resamples=200)
    at_half = evaluate_decisions(labels, decide(probs), 2, drawn)
    same = estimates(labels, probs, patients, resamples=200)
    assert at_half["f1"] == same["f1"] and "auroc" not in at_half
    strict = evaluate_decisions(labels, (probs[:, 1] >= 0.9).astype(int), 2, drawn)
    assert required(strict["specificity"].value) > required(at_half["specificity"].value)
    assert strict["sensitivity"].value == pytest.approx(np.mean(probs[labels == 1, 1] >= 0.9))
