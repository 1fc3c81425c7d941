import numpy as np
import pytest

from oceanpath.stats.panel import decide, evaluate, evaluate_decisions
from oceanpath.stats.resample import draw_patients


def test_two_classes_have_all_metrics_with_intervals(cohort):
    labels, probs, patients = cohort(100, per_patient=2)
    found = evaluate(labels, probs, patients, resamples=200)
    assert set(found) == {
        "auroc", "auprc", "accuracy", "balanced_accuracy", "f1", "mcc", "kappa", "sensitivity", "specificity",
        "brier", "ece",
    }  # fmt: skip
    for estimate in found.values():
        assert estimate.n == 100 and estimate.n_patients == 50 and estimate.resamples == 200
        assert estimate.low < estimate.high


def test_twelve_classes_of_a_perfect_model_are_perfect():
    """Class 10 and 11 must not be read as if they followed class 1."""
    labels = np.arange(48) % 12
    probs = np.eye(12)[labels] * 0.9 + 0.1 / 12
    found = evaluate(labels, probs, [f"p{i}" for i in range(48)], resamples=100)
    assert found["accuracy"].value == found["auroc"].value == found["f1"].value == 1


def test_one_class_is_undefined_with_a_reason_and_the_rest_remains():
    found = evaluate(np.zeros(6, int), np.full((6, 2), 0.5), [f"p{i}" for i in range(6)], resamples=100)
    assert found["auroc"].value is None and "one class" in found["auroc"].reason
    assert found["sensitivity"].value is None and found["brier"].value == 0.25


def test_a_half_is_decided_for_the_last_class_of_two():
    assert decide(np.array([[0.5, 0.5], [0.6, 0.4]])).tolist() == [1, 0]
    assert decide(np.array([[0.3, 0.3, 0.4], [0.4, 0.4, 0.2]])).tolist() == [2, 0]


def test_decisions_made_elsewhere(cohort):
    labels, probs, patients = cohort(80)
    drawn = draw_patients(patients, labels, resamples=200)
    at_half = evaluate_decisions(labels, decide(probs), 2, drawn)
    same = evaluate(labels, probs, patients, resamples=200)
    assert at_half["f1"] == same["f1"] and "auroc" not in at_half
    strict = evaluate_decisions(labels, (probs[:, 1] >= 0.9).astype(int), 2, drawn)
    assert strict["specificity"].value > at_half["specificity"].value
    assert strict["sensitivity"].value == pytest.approx(np.mean(probs[labels == 1, 1] >= 0.9))
