"""Metrics of several labels: each that of scikit-learn on its known rows, and their means."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from oceanpath.stats.intervals.wilson import wilson
from oceanpath.stats.multilabel import RATES, evaluate_label_decisions, evaluate_labels, macro_auroc
from oceanpath.stats.patients import patient_rows
from oceanpath.stats.resample import draw_patients

N, NAMES = 60, ["a", "b", "c"]


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are unknown, and probabilities that rank the first label well."""
    rng = np.random.default_rng(0)
    targets = (rng.random((N, 3)) < [0.5, 0.2, 0.7]).astype(np.float64)
    probs = np.clip(0.5 + 0.3 * (targets - 0.5) * [2, 0, 1] + 0.1 * rng.standard_normal((N, 3)), 0.01, 0.99)
    targets[rng.random((N, 3)) < 0.2] = np.nan
    return targets, probs


def test_metrics_are_those_of_the_known_rows(rows: tuple[np.ndarray, np.ndarray]) -> None:
    targets, probs = rows
    drawn = draw_patients([str(number) for number in range(N)], np.zeros(N, np.int64), resamples=50)
    estimates = evaluate_labels(targets, probs, NAMES, drawn).estimates()
    expected = []
    for k, name in enumerate(NAMES):
        own = ~np.isnan(targets[:, k])
        area = roc_auc_score(targets[own, k], probs[own, k])
        expected.append(area)
        assert estimates[f"auroc_{name}"].value == pytest.approx(area)
        assert estimates[f"auprc_{name}"].value == pytest.approx(
            average_precision_score(targets[own, k], probs[own, k])
        )
        assert estimates[f"brier_{name}"].value == pytest.approx(np.mean((targets[own, k] - probs[own, k]) ** 2))
    macro = estimates["auroc"]
    assert macro.value == pytest.approx(np.mean(expected)) == pytest.approx(macro_auroc(targets, probs))
    assert macro.low is not None and macro.high is not None and macro.low < np.mean(expected) < macro.high
    assert "DeLong" in estimates["auroc_a"].method


def test_a_label_with_one_value_is_left_out_of_the_mean(rows: tuple[np.ndarray, np.ndarray]) -> None:
    targets, probs = rows[0].copy(), rows[1]
    targets[:, 1] = np.where(np.isnan(targets[:, 1]), np.nan, 0)
    drawn = draw_patients([str(number) for number in range(N)], np.zeros(N, np.int64), resamples=20)
    found = evaluate_labels(targets, probs, NAMES, drawn).estimates()
    assert found["auroc_b"].value is None and "one value" in found["auroc_b"].reason
    areas = [found[f"auroc_{name}"].value or 0.0 for name in ("a", "c")]
    assert found["auroc"].value == pytest.approx(np.mean(areas))
    assert macro_auroc(np.zeros((4, 2)), np.full((4, 2), 0.5)) is None


def test_rates_of_decisions_are_those_of_the_known_rows(rows: tuple[np.ndarray, np.ndarray]) -> None:
    targets, probs = rows
    decisions = (probs >= [0.4, 0.5, 0.6]).astype(np.float64)
    decisions[:5, 2] = np.nan
    patients = [str(number // 2) for number in range(N)]
    drawn = draw_patients(patients, np.zeros(N, np.int64), resamples=50)
    found = evaluate_label_decisions(targets, decisions, NAMES, drawn, 0.95)
    assert list(found) == [f"{rate}_{name}" for name in NAMES for rate in RATES]
    for k, name in enumerate(NAMES[:2]):
        own = ~np.isnan(targets[:, k])
        truth, decided = targets[own, k], decisions[own, k]
        expected = [recall_score(truth, decided, pos_label=positive) for positive in (1, 0)]
        expected += [precision_score(truth, decided, pos_label=positive) for positive in (1, 0)]
        assert [found[f"{rate}_{name}"].value for rate in RATES] == pytest.approx(expected)
        numbers = np.unique(np.asarray(patients)[own], return_inverse=True)[1]
        assert found[f"specificity_{name}"].n == own.sum() and found[f"ppv_{name}"].n_patients == numbers.max() + 1
        negative, record = truth == 0, found[f"specificity_{name}"]
        assert (record.low, record.high) == pytest.approx(wilson(decided[negative] == 0, numbers[negative], 0.95))
    assert all(found[f"{rate}_c"].value is None and "no threshold" in found[f"{rate}_c"].reason for rate in RATES)


def test_unknown_labels_of_a_patient_do_not_differ() -> None:
    targets = np.array([[1, np.nan], [1, np.nan], [0, 1]])
    grouped = patient_rows(["p", "p", "q"], targets, np.full((3, 2), 0.5))
    assert grouped.patients == ["p", "q"] and np.array_equal(grouped.labels, targets[[0, 2]], equal_nan=True)
