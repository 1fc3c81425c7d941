import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from oceanpath.errors import StageError
from oceanpath.stats.calibration import (
    TEMPERATURES,
    bin_numbers,
    expected_error,
    fit_temperature,
    outcomes,
    reliability,
)
from oceanpath.stats.proper_scores import proper_measure


def columns(p):
    p = np.asarray(p, float)
    return np.stack([1 - p, p], axis=1)


def ece(labels, probs, bins=10):
    return expected_error(*outcomes(np.asarray(labels), probs), bins)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=50))
@settings(deadline=None, max_examples=50)
def test_brier_is_sklearns_and_ece_is_the_sum_over_bins(rows):
    y, p = np.array([a for a, _ in rows]), np.array([b for _, b in rows])
    found = proper_measure(y, columns(p))(np.ones((1, len(y))))
    assert found["brier"][0] == pytest.approx(np.mean((p - y) ** 2), abs=1e-12)
    if len(set(y)) == 2:
        assert found["brier"][0] == pytest.approx(brier_score_loss(y, p), abs=1e-12)
    number = bin_numbers(p)
    gaps = [abs(np.sum(p[number == b] - y[number == b])) for b in range(10)]
    assert ece(y, columns(p)) == pytest.approx(sum(gaps) / len(y), abs=1e-12)


def test_published_ece():
    """The example of torchmetrics' documentation (Apache licence): two bins, norm l1."""
    assert ece([0, 0, 1, 1, 1], columns([0.25, 0.25, 0.55, 0.75, 0.75]), 2) == pytest.approx(0.29, abs=1e-9)


def ids(patients: int) -> list[str]:
    return [f"p{number}" for number in range(patients)]


def test_perfect_calibration_is_zero_and_every_bin_is_used():
    p = np.repeat(np.arange(10) / 10 + 0.05, 20)
    y = np.concatenate([np.arange(20) < round(20 * q) for q in np.arange(10) / 10 + 0.05]).astype(int)
    assert ece(y, columns(p)) == pytest.approx(0, abs=1e-12)
    assert len(reliability(y.astype(float), p, ids(200)).count) == 10  # not only the five bins above one half


def test_edges_belong_to_the_bin_below_and_the_ends_are_kept():
    assert bin_numbers(np.array([0.0, 0.1, 0.1000001, 0.95, 1.0])).tolist() == [0, 0, 1, 9, 9]


def test_many_classes_judge_the_decided_class(cohort):
    labels, probs, _ = cohort(60, classes=3)
    outcome, score = outcomes(labels, probs)
    assert np.allclose(score, probs.max(axis=1)) and outcome.tolist() == (probs.argmax(1) == labels).tolist()
    found = proper_measure(labels, probs)(np.ones((1, 60)))["brier"][0]
    assert found == pytest.approx(np.mean(((probs - np.eye(3)[labels]) ** 2).sum(axis=1)))


def test_an_interval_is_wilsons_and_counts_patients():
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611."""
    y = np.r_[np.ones(81), np.zeros(182)]
    found = reliability(y, np.full(263, 0.3), ids(263))
    assert (found.low[0], found.high[0]) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    nothing = reliability(np.zeros(20), np.full(20, 0.3), ids(20))
    assert (nothing.low[0], nothing.high[0]) == pytest.approx((0, 0.1611), abs=5e-5)
    five_each = reliability(np.repeat(y, 5), np.full(263 * 5, 0.3), [name for name in ids(263) for _ in range(5)])
    assert (five_each.low[0], five_each.high[0]) == pytest.approx((found.low[0], found.high[0]))
    assert five_each.count[0] == 263 * 5


def test_bins_hold_every_row_and_their_own_patients(cohort):
    labels, probs, patients = cohort(200, per_patient=2)
    found = reliability((labels == 1).astype(float), probs[:, 1], patients)
    assert found.count.sum() == 200 and np.all(np.diff(found.mean_predicted) > 0)
    assert np.all((found.low <= found.observed) & (found.observed <= found.high))
    assert np.all(found.high - found.low > 0)


def test_a_temperature_is_recovered():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20000, 3)) * 2
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    found = fit_temperature(logits * 2.5, labels)
    assert found.value == pytest.approx(2.5, rel=0.05) and found.nll_after < found.nll_before


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(-8, 8)), min_size=1, max_size=20))
@settings(deadline=None, max_examples=40)
def test_a_temperature_is_bounded_and_never_harms(rows):
    y, z = np.array([a for a, _ in rows]), np.array([[0.0, b] for _, b in rows])
    found = fit_temperature(z, y)
    assert TEMPERATURES[0] <= found.value <= TEMPERATURES[1]
    assert found.nll_after <= found.nll_before


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(StageError, match="not finite"):
        fit_temperature(np.array([[0.0, np.inf]]), np.array([0]))
