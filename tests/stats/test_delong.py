"""DeLong's variance, of which intervals and comparisons are made, against published values: one row per patient."""

import numpy as np
import pytest

from oceanpath.stats.clustered import clustered_variance
from oceanpath.stats.clustered_tests import paired_delong
from oceanpath.stats.intervals.registry import AUROC_METHODS, ScoredRows

from .areas import columns, ends, influence_of


def scored(positive: np.ndarray, scores: np.ndarray, confidence: float = 0.95) -> ScoredRows:
    return ScoredRows(positive.astype(int), scores / scores.max(), np.arange(len(scores)), confidence=confidence)


@pytest.mark.real
def test_published_variances_of_asah(asah, published):
    reference, rows = published["auc_delong_aSAH"], np.arange(113)
    influences = {
        name: influence_of(asah["poor"].astype(int), columns(asah[name] / asah[name].max()))
        for name in ("wfns", "ndka", "s100b")
    }
    variances = {name: clustered_variance(influence, rows).total for name, influence in influences.items()}
    for name, influence in influences.items():
        assert influence.value == pytest.approx(reference["auc"][name], abs=1e-10)
        assert variances[name] == pytest.approx(reference["var_delong"][name], abs=1e-13)
    for pair in ("wfns,ndka", "ndka,s100b", "s100b,wfns"):
        a, b = pair.split(",")
        of_difference = clustered_variance(influences[a].minus(influences[b]), rows).total
        covariance = (variances[a] + variances[b] - of_difference) / 2
        assert covariance == pytest.approx(reference["cov_delong"][pair], abs=1e-13)


@pytest.mark.real
def test_published_interval_of_asah(asah, published):
    reference = published["auc_delong_aSAH"]
    found = scored(asah["poor"], asah["ndka"])
    low, high = ends(AUROC_METHODS["delong"](found))
    assert (low, found.value, high) == pytest.approx(reference["ci95_delong_ndka"], abs=1e-9)
    women = asah["female"]
    found = scored(asah["poor"][women], asah["ndka"][women])
    low, high = ends(AUROC_METHODS["delong"](found))
    assert (low, found.value, high) == pytest.approx(reference["ci95_delong_ndka_female_only"], abs=1e-9)


@pytest.mark.real
@pytest.mark.parametrize("pair", ["wfns-s100b", "wfns-ndka", "ndka-s100b"])
def test_published_intervals_of_differences_of_asah(asah, published, pair):
    expected = published["auc_delong_aSAH"]["paired_test"][pair]
    probs = tuple(columns(asah[name] / asah[name].max()) for name in pair.split("-"))
    found = paired_delong(asah["poor"].astype(int), (probs[0], probs[1]), np.arange(113))
    half = 1.959963984540054 * found.error
    assert (found.value - half, found.value + half) == pytest.approx(expected["diff_ci95"], abs=1e-9)


# Hanley and McNeil (1982), table I: 109 CT images rated from 1, definitely normal, to 5, definitely abnormal.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def test_published_area_error_and_interval_of_rated_images():
    """Area 0.893 (Hanley and McNeil); DeLong's error 0.0307, interval 0.83295 to 0.95339 (Stata's manual, roctab)."""
    truth = np.repeat([False, True], [sum(NORMAL), sum(ABNORMAL)])
    rating = np.r_[np.repeat(np.arange(5), NORMAL), np.repeat(np.arange(5), ABNORMAL)].astype(float)
    found = scored(truth, rating)
    assert (found.value, *ends(AUROC_METHODS["delong"](found))) == pytest.approx((0.8932, 0.83295, 0.95339), abs=5e-5)
    assert np.sqrt(found.variance.total) == pytest.approx(0.0307, abs=5e-5)
    wide, narrow = (np.diff(ends(AUROC_METHODS["delong"](scored(truth, rating, level)))) for level in (0.95, 0.9))
    assert narrow / wide == pytest.approx(1.644854 / 1.959964, abs=1e-6)
