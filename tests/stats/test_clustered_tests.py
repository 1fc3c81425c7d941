"""Tests of two models with patients as clusters: published values, type I error, repeated slides."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import friedmanchisquare

from oceanpath.errors import StageError
from oceanpath.stats.clustered_tests import clustered_mcnemar, paired_delong, unpaired_delong
from oceanpath.stats.comparison import SMALLEST_P, compare
from oceanpath.stats.multiplicity import benjamini_hochberg
from oceanpath.stats.permutation import permutation_test
from oceanpath.stats.planning import detectable_difference, non_inferiority, patients_needed
from oceanpath.stats.ranks_of_models import friedman_nemenyi
from oceanpath.stats.resampled_t import corrected_resampled_t

from .areas import columns
from .test_false_alarms import two_equal_models


@pytest.mark.real
@pytest.mark.parametrize("pair", ["wfns-s100b", "wfns-ndka", "ndka-s100b"])
def test_published_tests_of_asah(asah, published, pair):
    """pROC's paired p-values are of the normal distribution, its unpaired ones of other degrees of freedom."""
    a, b = pair.split("-")
    labels, rows = asah["poor"].astype(int), np.arange(113)
    probs = [columns(asah[name] / asah[name].max()) for name in (a, b)]
    expected = published["auc_delong_aSAH"]["paired_test"][pair]
    found = paired_delong(labels, (probs[0], probs[1]), rows)
    assert found.value / found.error == pytest.approx(expected["Z"], abs=1e-9)
    expected = published["auc_delong_aSAH"]["unpaired_test"][pair]
    alone = unpaired_delong((labels, probs[0], rows), (labels, probs[1], rows))
    assert alone.value / alone.error == pytest.approx(expected["D"], abs=1e-9)
    assert alone.p == pytest.approx(expected["p"], rel=0.1)


@pytest.mark.parametrize("per_patient", [1, 3])
def test_five_times_every_slide_moves_no_p_value(per_patient):
    random = np.random.default_rng(0)
    patients = np.arange(40 * per_patient) // per_patient
    labels = patients % 2
    a, b = (np.round(1 / (1 + np.exp(-labels - random.normal(size=len(labels)))), 2) for _ in range(2))

    def p_values(times):
        y, x, z, who = (np.repeat(array, times) for array in (labels, a, b, patients))
        return (
            paired_delong(y, (columns(x), columns(z)), who).p,
            unpaired_delong((y, columns(x), who), (y, columns(z), who)).p,
            clustered_mcnemar(((x > 0.5) == y, (z > 0.5) == y), who).p,
            permutation_test(y == 1, (x, z), who, 200),
        )

    assert p_values(5) == pytest.approx(p_values(1), abs=1e-9)


@pytest.mark.slow
def test_false_alarms_are_between_four_and_six_of_a_hundred():
    """60 patients of two slides, correlated scores; the standard error of each rate is 0.5 of a hundred."""
    random, found = np.random.default_rng(1), []
    for _ in range(2000):
        labels, a, b, names = two_equal_models(random)
        _, other, _, _ = two_equal_models(random)
        patients = np.unique(names, return_inverse=True)[1]
        found.append(
            (
                paired_delong(labels, (a, b), patients).p,
                unpaired_delong((labels, a, patients), (labels, other, patients)).p,
                clustered_mcnemar(((a[:, 1] > 0.5) == labels, (b[:, 1] > 0.5) == labels), patients).p,
            )
        )
    rates = (np.array(found, float) < 0.05).mean(axis=0)
    assert ((rates > 0.038) & (rates < 0.062)).all(), rates


def test_the_permutation_test_keeps_its_level_and_ignores_scales():
    random, p = np.random.default_rng(2), []
    for seed in range(300):
        labels, a, b, names = two_equal_models(random)
        patients = np.unique(names, return_inverse=True)[1]
        p.append(permutation_test(labels == 1, (a[:, 1], b[:, 1]), patients, 99, seed))
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.085
    assert permutation_test(labels == 1, (a[:, 1], b[:, 1] ** 3), patients, 99) == permutation_test(
        labels == 1, (a[:, 1], b[:, 1]), patients, 99
    )
    assert permutation_test(labels == 1, (labels * 1.0, 1.0 - labels), patients, 99) == 0.01  # never 0
    with pytest.raises(StageError, match="two classes"):
        permutation_test(np.ones(3, bool), (np.arange(3.0), np.arange(3.0)), np.arange(3))


def test_clustered_mcnemar_of_single_slides_is_the_plain_chi_square_and_counts_patients():
    """Table 101, 121 / 59, 33: chi-square 21.35556 (statsmodels, R mcnemar.test without correction)."""
    a = np.repeat([True, True, False, False], [101, 121, 59, 33])
    b = np.repeat([True, False, True, False], [101, 121, 59, 33])
    found = clustered_mcnemar((a, b), np.arange(314))
    assert (found.value / found.error) ** 2 * 314 / 313 == pytest.approx(21.35556, abs=1e-5)
    with pytest.raises(StageError, match="different rows"):
        clustered_mcnemar((a, b[1:]), np.arange(314))


def test_p_is_never_zero_and_equal_models_do_not_differ():
    assert compare(1.0, 0.001).p == SMALLEST_P
    labels, probs = np.arange(20) % 2, columns(np.linspace(0.1, 0.9, 20))
    same = paired_delong(labels, (probs, probs), np.arange(20))
    assert same.p == 1 and same.low is None and "no difference" in same.reason
    perfect = columns(labels * 0.8 + 0.1)
    opposite = paired_delong(labels, (perfect, 1 - perfect), np.arange(20))
    assert opposite.value == 1 and opposite.p is None and "no variance" in opposite.reason
    with pytest.raises(StageError, match="two classes"):
        paired_delong(np.zeros(20, int), (probs, probs), np.arange(20))


def test_the_corrected_t_test_keeps_its_level_where_the_plain_one_does_not():
    """Ten random splits of 50 rows into 40 and 10: two useless features are equally good."""
    random, corrected, plain = np.random.default_rng(0), [], []
    for _ in range(400):
        x, y = random.normal(size=(2, 50)), np.arange(50) % 2
        gaps = []
        for _ in range(10):
            order = random.permutation(50)
            fit, test = order[:40], order[40:]
            hits = []
            for feature in x:
                means = [feature[fit][y[fit] == c].mean() for c in (0, 1)]
                called = np.abs(feature[test] - means[1]) < np.abs(feature[test] - means[0])
                hits.append(np.mean(called == y[test]))
            gaps.append(hits[0] - hits[1])
        corrected.append((corrected_resampled_t(np.array(gaps), 10 / 40).p or 0) < 0.05)
        plain.append((corrected_resampled_t(np.array(gaps), 0.0).p or 0) < 0.05)
    assert np.mean(corrected) < 0.08 < np.mean(plain)
    with pytest.raises(StageError, match="two differences"):
        corrected_resampled_t(np.array([0.1]), 0.25)


def test_friedmans_statistic_and_nemenyis_critical_difference():
    """Demsar (2006), table 5: critical values 2.343 for two to ... five models at 0.05 are 2.728; four: 2.569."""
    values = np.random.default_rng(0).random((14, 4)) + np.array([0.0, 0.3, 0.1, 0.0])
    found = friedman_nemenyi(values)
    chi = friedmanchisquare(*values.T).statistic
    assert found.statistic == pytest.approx(13 * chi / (14 * 3 - chi))
    assert found.p == pytest.approx(f_distribution.sf(found.statistic, 3, 39))  # Iman and Davenport (1980)
    assert found.critical_difference == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), rel=1e-3)
    different = np.abs(found.mean_ranks[:, None] - found.mean_ranks) > found.critical_difference
    assert ((found.pair_p < 0.05) == different).all() and 0 < found.p < 1
    assert friedman_nemenyi(np.ones((3, 2))).p == 1
    with pytest.raises(StageError, match="two cohorts"):
        friedman_nemenyi(np.ones((1, 2)))


def test_benjamini_hochberg_is_that_of_r():
    """statsmodels test_multi.py (R multtest); the order is kept and None is no test."""
    p = [0.838541367553, 0.642193923795, 0.680845947633, 0.967833824309, 0.71626938238, 0.177096952723]
    p += [5.23656777208e-05, 0.0202732688798, 0.00028140506198, 0.0149877310796]
    found = benjamini_hochberg(p)
    assert [found[6], found[8], found[9]] == pytest.approx([0.000523656777208, 0.0014070253099, 0.04995910359866667])
    assert benjamini_hochberg([None, 0.04]) == [None, 0.04] and max(x or 0 for x in found) <= 1
    with pytest.raises(StageError, match="outside"):
        benjamini_hochberg([1.2])


def test_non_inferiority_and_the_size_of_a_cohort():
    found = compare(-0.01, 0.02)
    wide, narrow = non_inferiority(found, 0.06), non_inferiority(found, 0.03)
    assert wide.is_shown and wide.p < 0.025 and not narrow.is_shown and narrow.p > 0.025
    assert wide.low == pytest.approx(-0.01 - 1.959964 * 0.02)
    assert detectable_difference(0.02) == pytest.approx(2.801585 * 0.02, rel=1e-6)
    assert patients_needed(100, 0.02, detectable_difference(0.02) / 2) == 400
    for call in (lambda: non_inferiority(found, 0.0), lambda: patients_needed(100, 0.02, 0.0)):
        with pytest.raises(StageError, match="positive"):
            call()


def test_the_detectable_difference_is_detected_with_its_power():
    random = np.random.default_rng(0)
    shown = np.abs(random.normal(detectable_difference(1.0), 1.0, 20_000)) > 1.959964
    assert shown.mean() == pytest.approx(0.8, abs=0.01)
