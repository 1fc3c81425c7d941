import numpy as np
import pytest
from scipy.stats import norm, t

from oceanpath.stats.intervals.wilson import MIN_PATIENTS, design_effect, wilson

from ..areas import ends


def classic(share, n, z):
    k = z**2 / n
    half = np.sqrt(k * share * (1 - share) + k**2 / 4)
    return (share + k / 2 - half) / (1 + k), (share + k / 2 + half) / (1 + k)


def test_one_slide_per_patient_is_wilsons_interval_with_students_quantile():
    hits = np.arange(40) < 30
    assert wilson(hits, np.arange(40)) == pytest.approx(classic(0.75, 40, t.ppf(0.975, 39)))
    large = np.arange(100_000) % 4 > 0
    assert wilson(large, np.arange(100_000)) == pytest.approx(classic(0.75, 100_000, norm.ppf(0.975)), abs=1e-6)


def test_newcombes_example():
    """81 of 263: 0.2553 to 0.3662 by Wilson's method (Newcombe 1998, table I, method 3)."""
    assert wilson(np.arange(263) < 81, np.arange(263)) == pytest.approx((0.2553, 0.3662), abs=6e-4)


def test_equal_slides_of_a_patient_count_once():
    hits = np.random.default_rng(0).random(30) < 0.8
    once = wilson(hits, np.arange(30))
    assert wilson(np.repeat(hits, 5), np.arange(150) // 5) == pytest.approx(once, abs=1e-12)
    assert ends(wilson(np.repeat(hits, 5), np.arange(150)))[0] > ends(once)[0]


@pytest.mark.parametrize("share", [0, 1])
def test_rows_that_all_agree_have_an_interval(share):
    low, high = ends(wilson(np.full(60, share, bool), np.arange(60) // 3))
    assert (low == 0 and 0.1 < high < 0.3) if share == 0 else (high == 1 and 0.7 < low < 0.9)


def test_the_design_effect_is_between_1_and_that_of_equal_slides():
    numbers = np.arange(40) // 4
    assert design_effect(np.repeat(np.arange(10) % 2, 4).astype(float), numbers) == 4
    assert design_effect((np.arange(40) % 2).astype(np.float64), numbers) == 1
    assert design_effect(np.zeros(40), numbers) == 4


def test_too_few_patients_have_none_and_the_reason():
    assert f"fewer than {MIN_PATIENTS} patients" in str(wilson(np.ones(20, bool), np.arange(20) // 5))
