from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.delong import delong_auroc, delong_covariance, delong_test
from oceanpath.stats.estimate import Estimate

from ..narrowing import required


@pytest.mark.real
def test_published_variances_of_asah(asah, published):
    reference = published["auc_delong_aSAH"]
    names = ("wfns", "ndka", "s100b")
    areas, covariance = delong_covariance(asah["poor"], np.stack([asah[name] for name in names]))
    for i, name in enumerate(names):
        assert areas[i] == pytest.approx(reference["auc"][name], abs=1e-10)
        assert covariance[i, i] == pytest.approx(reference["var_delong"][name], abs=1e-13)
    for i, pair in enumerate(("wfns,ndka", "ndka,s100b", "s100b,wfns")):
        assert covariance[i, (i + 1) % 3] == pytest.approx(reference["cov_delong"][pair], abs=1e-13)


@pytest.mark.real
def test_published_interval_of_asah(asah, published):
    reference = published["auc_delong_aSAH"]
    found = delong_auroc(asah["poor"], asah["ndka"])
    assert (found.low, found.value, found.high) == pytest.approx(reference["ci95_delong_ndka"], abs=1e-9)
    women = asah["female"]
    found = delong_auroc(asah["poor"][women], asah["ndka"][women])
    assert (found.low, found.value, found.high) == pytest.approx(reference["ci95_delong_ndka_female_only"], abs=1e-9)


@pytest.mark.real
@pytest.mark.parametrize("pair", ["wfns-s100b", "wfns-ndka", "ndka-s100b"])
def test_published_tests_of_asah(asah, published, pair):
    expected = published["auc_delong_aSAH"]["paired_test"][pair]
    a, b = pair.split("-")
    found = delong_test(asah["poor"], asah[a], asah[b])
    assert found.z == pytest.approx(expected["Z"], abs=1e-9) and found.p == pytest.approx(expected["p"], abs=1e-9)
    assert found.interval() == pytest.approx(expected["diff_ci95"], abs=1e-9)


# Hanley and McNeil (1982), table I: 109 CT images rated from 1, definitely normal, to 5, definitely abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def width_of(estimate: Estimate) -> float:
    return required(estimate.high) - required(estimate.low)


def test_published_area_error_and_interval_of_rated_images():
    """Area 0.893 (Hanley and McNeil); DeLong's error 0.0307, interval 0.83295 to 0.95339 (Stata's manual, roctab)."""
    truth = np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)])
    rating = np.r_[np.repeat(np.arange(5), NORMAL), np.repeat(np.arange(5), ABNORMAL)].astype(float)
    found = delong_auroc(truth, rating)
    assert (found.value, found.low, found.high) == pytest.approx((0.8932, 0.83295, 0.95339), abs=5e-5)
    assert (found.n, found.n_patients) == (109, 109)
    _, covariance = delong_covariance(truth, np.stack([rating, -rating, rating]))
    assert np.sqrt(covariance[0, 0]) == pytest.approx(0.0307, abs=5e-5)
    assert covariance[0, 1] == pytest.approx(-covariance[0, 0]) and covariance[0, 2] == pytest.approx(covariance[0, 0])
    assert covariance.shape == (3, 3)
    narrow = delong_auroc(truth, rating, confidence=0.9)
    assert width_of(narrow) / width_of(found) == pytest.approx(1.644854 / 1.959964, abs=1e-6)


def test_an_interval_ends_at_one():
    truth, score = np.repeat([False, True], 6), np.arange(12.0)
    score[5], score[6] = score[6], score[5]
    found = delong_auroc(truth, score)
    low = required(found.low)
    assert found.value == pytest.approx(35 / 36) and found.high == 1 and 0.8 < low < required(found.value)
    turned = delong_auroc(truth, -score)
    assert turned.low == 0 and turned.high == pytest.approx(1 - low)


rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=15)


@given(rows, rows)
@settings(deadline=None, max_examples=60)
def test_swapping_the_models_flips_the_sign_and_pairs_counted_one_by_one_agree(ups, downs):
    y = np.r_[np.ones(len(ups), bool), np.zeros(len(downs), bool)]
    a, b = np.array(ups + downs, float).T
    there, back = delong_test(y, a, b), delong_test(y, b, a)
    assert there.difference == pytest.approx(-back.difference) and there.p == back.p
    wins = [np.array([[(u > d) + 0.5 * (u == d) for d in s[~y]] for u in s[y]]) for s in (a, b)]
    gap = wins[0] - wins[1]
    variance = gap.mean(1).var(ddof=1) / len(ups) + gap.mean(0).var(ddof=1) / len(downs)
    assert there.standard_error == pytest.approx(np.sqrt(variance), abs=1e-9)


def test_the_interval_is_normal_and_symmetric_about_the_difference():
    random = np.random.default_rng(0)
    truth = np.arange(40) % 2 == 1
    a, b = truth + random.normal(size=40), truth + random.normal(size=40)
    found = delong_test(truth, a, b)
    for confidence, z in ((0.95, 1.959964), (0.8, 1.281552)):
        low, high = found.interval(confidence)
        assert (low, high) == pytest.approx(
            (found.difference - z * found.standard_error, found.difference + z * found.standard_error), abs=1e-6
        )
    assert found.p == pytest.approx(2 * (1 - NormalDist().cdf(abs(found.difference) / found.standard_error)))


def test_alike_models_do_not_differ_and_a_difference_without_variance_has_no_p():
    y, a = np.array([True, True, False, False]), np.array([0.9, 0.8, 0.2, 0.1])
    alike = delong_test(y, a, a**2)
    assert alike.p == 1 and alike.difference == 0 and "equally" in alike.reason
    opposite = delong_test(y, a, -a)
    assert opposite.difference == 1 and opposite.p is None and "no variance" in opposite.reason


def test_two_rows_of_each_class_are_needed():
    with pytest.raises(StageError, match="two rows of each class"):
        delong_test(np.array([True, False, False]), np.arange(3.0), np.arange(3.0))
    with pytest.raises(StageError, match="one score per row"):
        delong_covariance(np.array([True, False]), np.zeros((1, 3)))
