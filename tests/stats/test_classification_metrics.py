"""Metrics beside AUROC and the confusion table, against scikit-learn, published values and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from oceanpath.errors import StageError
from oceanpath.stats.binned_errors import debiased_error, ece_equal_mass, integrated_calibration_index
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.hand_till import hand_till_influence
from oceanpath.stats.prevalence import predictive_values
from oceanpath.stats.proper_scores import proper_measure
from oceanpath.stats.recalibration import Recalibration, recalibrate

from .areas import existing


@st.composite
def tables(draw):
    """Labels and probabilities with ties, constant scores, missing classes, and two to thirteen classes."""
    classes, n = draw(st.sampled_from([2, 2, 3, 13])), draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    labels = random.integers(0, draw(st.integers(1, classes)), n)
    probs = random.dirichlet(np.ones(classes), n) if draw(st.booleans()) else np.full((n, classes), 1 / classes)
    if draw(st.booleans()):
        probs = (np.round(probs, 1) + 0.01) / (np.round(probs, 1) + 0.01).sum(axis=1, keepdims=True)
    return labels, probs


@given(tables())
@settings(deadline=None, max_examples=200)
def test_metrics_of_any_table_are_those_of_scikit_learn(table):
    labels, probs = table
    n_classes, once = probs.shape[1], np.ones((1, len(labels)))
    every = list(range(n_classes))
    decisions = probs.argmax(axis=1)
    found = {**confusion_measure(labels, decisions, n_classes)(once), **proper_measure(labels, probs)(once)}
    assert found["log_loss"][0] == pytest.approx(sk.log_loss(labels, probs, labels=every))
    assert found["accuracy"][0] == pytest.approx(sk.accuracy_score(labels, decisions))
    if len(set(labels.tolist())) < 2:
        assert np.isnan([found[name][0] for name in ("kappa_quadratic", "brier_scaled", "mcc", "kappa")]).all()
        assert hand_till_influence(labels, probs) is None
        return
    for name, weights in (("kappa", None), ("kappa_quadratic", "quadratic")):
        expected = sk.cohen_kappa_score(labels, decisions, labels=every, weights=weights)
        assert found[name][0] == pytest.approx(expected, abs=1e-12)
    assert found["mcc"][0] == pytest.approx(sk.matthews_corrcoef(labels, decisions), abs=1e-12)
    if n_classes == 2:
        assert found["kappa_quadratic"][0] == pytest.approx(found["kappa"][0])
        for name, kind in (("ppv", 1), ("npv", 0)):
            if (decisions == kind).any():
                assert found[name][0] == pytest.approx(sk.precision_score(labels, decisions, pos_label=kind))
            else:
                assert np.isnan(found[name][0])
    areas = [
        sk.roc_auc_score(labels[own] == i, probs[own, i])
        for i in set(labels.tolist())
        for j in set(labels.tolist()) - {i}
        for own in [(labels == i) | (labels == j)]
    ]
    assert existing(hand_till_influence(labels, probs)).value == pytest.approx(np.mean(areas))


def test_weights_are_repeated_rows(cohort):
    labels, probs, _ = cohort(40, classes=3)
    weights = np.random.default_rng(0).integers(0, 4, (5, 40))
    found = proper_measure(labels, probs)(weights.astype(float))
    for r, row in enumerate(weights):
        again = proper_measure(np.repeat(labels, row), np.repeat(probs, row, axis=0))(np.ones((1, int(row.sum()))))
        for name in ("log_loss", "brier_scaled"):
            assert found[name][r] == pytest.approx(again[name][0])


def test_the_brier_score_is_scaled_by_that_of_the_frequencies(cohort):
    labels, probs, _ = cohort(50)
    shares = np.tile(np.bincount(labels) / 50, (50, 1))
    constant = sk.brier_score_loss(labels, shares[:, 1])
    expected = 1 - sk.brier_score_loss(labels, probs[:, 1]) / constant
    assert proper_measure(labels, probs)(np.ones((1, 50)))["brier_scaled"][0] == pytest.approx(expected)
    assert proper_measure(labels, shares)(np.ones((1, 50)))["brier_scaled"][0] == pytest.approx(0, abs=1e-12)


def test_a_probability_of_zero_is_finite_as_in_scikit_learn():
    labels, probs = np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]])
    assert proper_measure(labels, probs)(np.ones((1, 2)))["log_loss"][0] == pytest.approx(sk.log_loss(labels, probs))


def calibrated(n, seed, slope=1.0):
    random = np.random.default_rng(seed)
    score = random.uniform(0.02, 0.98, n)
    return (random.random(n) < Recalibration(0.0, slope).apply(score)).astype(float), score


def test_the_debiased_error_of_calibrated_rows_is_near_zero_where_the_ece_is_not():
    plain = [ece_equal_mass(*calibrated(300, seed)) for seed in range(100)]
    squares = [debiased_error(*calibrated(300, seed)) ** 2 for seed in range(100)]
    assert np.mean(plain) > 0.05 and np.mean(squares) < 0.002


def test_errors_of_wrong_probabilities_approach_the_true_distance():
    outcome, score = calibrated(40_000, 1, slope=0.4)
    truth = np.abs(Recalibration(0.0, 0.4).apply(score) - score)
    assert integrated_calibration_index(outcome, score) == pytest.approx(truth.mean(), abs=0.02)
    assert debiased_error(outcome, score) == pytest.approx(np.sqrt((truth**2).mean()), abs=0.02)
    assert ece_equal_mass(outcome, score) == pytest.approx(truth.mean(), abs=0.02)


def test_two_distinct_probabilities_have_an_ici():
    """Points between the two are as far from all rows: the local regression is then their mean."""
    outcome = (np.arange(20) % 2).astype(np.float64)
    assert integrated_calibration_index(outcome, 0.1 + 0.8 * outcome) == pytest.approx(0.1)


def test_constant_probabilities_have_one_bin():
    outcome, score = np.array([0.0, 1, 1, 1]), np.full(4, 0.5)
    assert ece_equal_mass(outcome, score) == integrated_calibration_index(outcome, score) == 0.25
    assert debiased_error(outcome, score) == pytest.approx(np.sqrt(max(0, 0.25**2 - 0.75 * 0.25 / 3)))
    assert debiased_error(np.array([1.0]), np.array([0.5])) == 0


def test_the_interval_of_slope_and_intercept_covers_with_clusters():
    hits, trials = np.zeros(2), 300
    for seed in range(trials):
        outcome, score = calibrated(120, seed)
        fit = recalibrate(np.repeat(outcome, 3), np.repeat(score, 3), np.arange(360) // 3)
        assert isinstance(fit, Recalibration)
        alone = recalibrate(outcome, score)
        assert isinstance(alone, Recalibration) and fit.errors == pytest.approx(alone.errors)
        hits += np.abs(np.array([fit.intercept, fit.slope - 1])) < 1.98 * np.array(fit.errors)
    assert (hits / trials > 0.91).all() and (hits / trials < 0.98).all()


def test_predictive_values_at_a_prevalence():
    """Sensitivity 0.9 and specificity 0.95: at 1 % the PPV is 0.154, at 50 % 0.947 (Altman and Bland 1994, formula)."""
    is_positive = np.repeat([True, False], [100, 100])
    called = np.r_[np.arange(100) < 90, np.arange(100) < 5]
    ppv, npv = predictive_values(is_positive, called, np.arange(200), 0.01)
    assert ppv.value == pytest.approx(0.9 * 0.01 / (0.9 * 0.01 + 0.05 * 0.99))
    assert npv.value == pytest.approx(0.95 * 0.99 / (0.95 * 0.99 + 0.1 * 0.01))
    assert ppv.value is not None and ppv.low is not None and ppv.high is not None
    assert ppv.low < ppv.value < ppv.high < 0.4
    half, _ = predictive_values(is_positive, called, np.arange(200), 0.5)
    assert half.value == pytest.approx(90 / 95)
    five, _ = predictive_values(np.repeat(is_positive, 5), np.repeat(called, 5), np.arange(1000) // 5, 0.01)
    assert five.value == ppv.value and five.low == pytest.approx(ppv.low, abs=0.002)


def test_predictive_values_that_do_not_exist():
    truth = np.array([True, False])
    ppv, npv = predictive_values(truth, np.array([False, False]), np.arange(2), 0.2)
    assert ppv.value is None and npv.value == 0.8
    for prevalence, rows in ((0.0, truth), (0.2, np.array([True, True]))):
        with pytest.raises(StageError, match="predictive values"):
            predictive_values(rows, rows, np.arange(2), prevalence)
