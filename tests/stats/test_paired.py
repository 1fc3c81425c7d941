import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import auroc, ranking_measure
from oceanpath.stats.paired import VERDICTS, PairedDifference, paired_difference
from oceanpath.stats.resample import bootstrap, draw_patients

from ..narrowing import required


def difference(labels, a, b, patients, resamples=2000):
    drawn = draw_patients(patients, labels, resamples=resamples)
    one, two = (bootstrap([ranking_measure(labels, probs)], drawn) for probs in (a, b))
    return paired_difference(one, two)


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
    there = difference(labels, a, b, patients, resamples=100)
    back = difference(labels, b, a, patients, resamples=100)
    assert there.value == pytest.approx(-back.value) and there.p == back.p
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert there.value == pytest.approx(required(auroc(labels, a).value) - required(auroc(labels, b).value))
    assert 1 / 101 <= there.p <= 1


def test_p_is_never_zero_and_alike_models_do_not_differ(cohort):
    labels, probs, patients = cohort(200)
    perfect = np.eye(2)[labels]
    found = difference(labels, perfect, 1 - probs, patients, resamples=500)
    assert found.p == pytest.approx(1 / 501) and found.low > 0
    same = difference(labels, probs, probs, patients, resamples=200)
    assert same.p == 1 and same.low == same.high == same.value == 0


def test_five_slides_of_each_patient_do_not_sharpen_the_test(cohort):
    labels, probs, patients = cohort(60)
    other = noisy(probs, 1, 0.4)
    once = difference(labels, probs, other, patients)
    five = difference(
        np.repeat(labels, 5), np.repeat(probs, 5, axis=0), np.repeat(other, 5, axis=0), np.repeat(patients, 5)
    )
    assert five.p == once.p and (five.low, five.high) == pytest.approx((once.low, once.high), abs=1e-12)
    assert (five.n, five.n_patients) == (300, 60)


def test_undefined_says_why(cohort):
    probs = np.full((4, 2), 0.5)
    found = difference(np.zeros(4, int), probs, probs, list("abcd"), resamples=100)
    assert found.value is None and found.p is None and "one class" in found.reason
    alone = difference(np.array([0, 1]), np.eye(2), np.eye(2), ["a", "a"])
    assert alone.value == 0 and alone.p is None and alone.reason == "one patient only"


def test_metrics_of_different_resamples_are_refused(cohort):
    labels, probs, patients = cohort(20)
    one, two = (
        bootstrap([ranking_measure(labels, probs)], draw_patients(patients, labels, resamples=100)) for _ in "ab"
    )
    with pytest.raises(StageError, match="same resamples"):
        paired_difference(one, two)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.2, -0.1, "worse"),
        (-0.2, 0.0, "not_shown_better"),
        (-0.2, 0.1, "not_shown_better"),
        (0.0, 0.1, "not_shown_better"),
        (0.01, 0.1, "better"),
        (None, None, "undetermined"),
    ],
)
def test_the_verdict_comes_from_the_interval(low, high, verdict):
    found = PairedDifference(0.0, low, high, 0.5, 10, 10, 100, 0, "" if low is not None else "why")
    assert found.verdict == found.record()["verdict"] == verdict and verdict in VERDICTS
    assert ("reason" in found.record()) == (low is None)


def test_the_interval_is_the_percentiles_of_the_differences_and_p_counts_those_as_far_as_the_null(cohort):
    labels, probs, patients = cohort(40, per_patient=2)
    other = noisy(probs, 3, 0.3)
    drawn = draw_patients(patients, labels, resamples=200)
    one, two = (bootstrap([ranking_measure(labels, p)], drawn) for p in (probs, other))
    found = paired_difference(one, two, ("auroc", "auprc"), confidence=0.8)
    moved = one.samples["auroc"] - two.samples["auprc"]
    assert found.value == required(one.values["auroc"]) - required(two.values["auprc"])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(moved, [0.1, 0.9])), abs=1e-12)
    far = sum(abs(m - found.value) >= abs(found.value) for m in moved.tolist())
    assert found.p == (1 + far) / 201
