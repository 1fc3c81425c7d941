import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import auroc
from oceanpath.stats.paired import paired_auroc_difference


def noisy(probs, seed, size):
    p = np.clip(probs[:, 1] + np.random.default_rng(seed).normal(0, size, len(probs)), 0, 1)
    return np.stack([1 - p, p], axis=1)


@given(st.integers(0, 200), st.floats(0, 1.0))
@settings(deadline=None, max_examples=25)
def test_swapping_the_models_flips_the_interval_and_keeps_p(seed, size):
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 2
    p = rng.random(40)
    a = np.stack([1 - p, p], axis=1)
    b = noisy(a, seed + 1, size)
    patients = [f"p{i // 2}" for i in range(40)]
    there = paired_auroc_difference(labels, a, b, patients, resamples=100)
    back = paired_auroc_difference(labels, b, a, patients, resamples=100)
    assert there.value == pytest.approx(-back.value) and there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert there.value == pytest.approx(auroc(labels, a).value - auroc(labels, b).value)
    assert 1 / 101 <= there.p <= 1


def test_p_is_never_zero_and_alike_models_do_not_differ(cohort):
    labels, probs, patients = cohort(200)
    perfect = np.eye(2)[labels]
    found = paired_auroc_difference(labels, perfect, 1 - probs, patients, resamples=500)
    assert found.p == pytest.approx(1 / 501) and found.low > 0
    same = paired_auroc_difference(labels, probs, probs, patients, resamples=200)
    assert same.p == 1 and same.low == same.high == same.value == 0


def test_five_slides_of_each_patient_do_not_sharpen_the_test(cohort):
    labels, probs, patients = cohort(60)
    other = noisy(probs, 1, 0.4)
    once = paired_auroc_difference(labels, probs, other, patients)
    five = paired_auroc_difference(
        np.repeat(labels, 5), np.repeat(probs, 5, axis=0), np.repeat(other, 5, axis=0), np.repeat(patients, 5)
    )
    assert five.p == once.p and (five.low, five.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert (five.n, five.n_patients) == (300, 60)


def test_undefined_says_why(cohort):
    probs = np.full((4, 2), 0.5)
    found = paired_auroc_difference(np.zeros(4, int), probs, probs, list("abcd"), resamples=100)
    assert found.value is None and found.p is None and "one class" in found.reason
    alone = paired_auroc_difference(np.array([0, 1]), np.eye(2), np.eye(2), ["a", "a"])
    assert alone.value == 0 and alone.p is None and alone.reason == "one patient only"


def test_different_rows_are_refused():
    with pytest.raises(StageError, match="different rows"):
        paired_auroc_difference(np.array([0, 1]), np.eye(2), np.eye(3), ["a", "b"])
