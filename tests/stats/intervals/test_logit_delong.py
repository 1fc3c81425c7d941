import numpy as np
import pytest

from oceanpath.stats.clustered import clustered_variance
from oceanpath.stats.intervals.defaults import area_influences, decision_intervals
from oceanpath.stats.intervals.logit_delong import MIN_PATIENTS, logit_delong

from ..areas import columns, ends, influence_of


def interval(labels, scores, patients=None, confidence=0.95):
    influence = influence_of(labels, columns(scores))
    numbers = np.arange(len(labels)) if patients is None else patients
    return influence.value, logit_delong(influence.value, clustered_variance(influence, numbers), confidence)


def test_a_perfect_ranking_has_a_lower_end_that_rises_with_the_number_of_patients():
    lows = []
    for n in (8, 20, 60, 300):
        labels = np.arange(n) % 2
        value, found = interval(labels, labels * 0.5 + 0.2)
        low, high = ends(found)
        assert value == high == 1 and 0 < low < 1
        lows.append(low)
    assert lows == sorted(lows) and lows[0] < 0.4 and 1 - lows[-1] == pytest.approx(3 / 150, rel=0.1)


def test_the_ends_are_within_0_and_1_and_mirror_when_scores_are_reversed():
    random = np.random.default_rng(0)
    labels, scores = np.arange(30) % 2, random.random(30)
    value, found = interval(labels, scores)
    low, high = ends(found)
    _, turned = interval(labels, 1 - scores)
    assert 0 < low < value < high < 1 and turned == pytest.approx((1 - high, 1 - low))
    _, narrow = interval(labels, scores, confidence=0.8)
    assert low < ends(narrow)[0] < ends(narrow)[1] < high


def test_repeated_slides_do_not_change_it():
    labels, scores = np.arange(30) % 2, np.random.default_rng(1).random(30)
    _, once = interval(labels, scores)
    _, five = interval(np.repeat(labels, 5), np.repeat(scores, 5), np.arange(150) // 5)
    assert five == pytest.approx(once)


def test_too_few_patients_of_a_class_have_none_and_the_reason():
    labels = np.r_[np.ones(MIN_PATIENTS - 1, int), np.zeros(30, int)]
    _, found = interval(labels, np.random.default_rng(1).random(len(labels)))
    assert f"fewer than {MIN_PATIENTS} patients of a class" in found


def test_constant_scores_have_no_variance():
    assert interval(np.arange(20) % 2, np.full(20, 0.4)) == (0.5, "the ranks have no variance")


def test_a_large_cohort_has_delongs_interval_on_the_logit_scale():
    random = np.random.default_rng(2)
    labels = np.arange(20_000) % 2
    influence = influence_of(labels, columns(1 / (1 + np.exp(-labels - random.normal(size=20_000)))))
    variance = clustered_variance(influence, np.arange(20_000))
    low, high = ends(logit_delong(influence.value, variance))
    half = 1.959964 * np.sqrt(variance.total) / (influence.value * (1 - influence.value))
    middle = np.log(influence.value / (1 - influence.value))
    assert (low, high) == pytest.approx(1 / (1 + np.exp(-middle - np.array([-half, half]))), abs=2e-5)


def test_reports_have_an_interval_per_metric_that_is_defined(cohort):
    labels, probs, _ = cohort(60, classes=3)
    assert set(area_influences(labels, probs)) == {"auroc"}
    assert set(area_influences(labels, probs, np.arange(60) % 2)) == {"auroc", "auroc_within_folds"}
    assert area_influences(np.zeros(60, int), probs) == {}
    assert set(decision_intervals(labels, labels, 3, np.arange(60))) == {"accuracy"}
    found = decision_intervals(np.zeros(9, int), np.zeros(9, int), 2, np.arange(9))
    assert set(found) == {"accuracy", "specificity", "npv"}
