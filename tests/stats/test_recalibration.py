import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from oceanpath.stats.recalibration import CLIP, Recalibration, recalibrate


def rows(n: int, seed: int, intercept: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes whose probability is the recalibrated one of a score."""
    random = np.random.default_rng(seed)
    score = random.uniform(0.02, 0.98, n)
    p = Recalibration(intercept, slope).apply(score)
    return (random.random(n) < p).astype(float), score


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (-0.7, 0.5), (0.4, 2.0)])
def test_the_two_numbers_of_many_rows_are_found(intercept, slope):
    found = recalibrate(*rows(50_000, 1, intercept, slope))
    assert isinstance(found, Recalibration)
    assert found.intercept == pytest.approx(intercept, abs=0.05)
    assert found.slope == pytest.approx(slope, abs=0.05)


@given(st.integers(8, 80), st.integers(0, 50))
@settings(max_examples=60)
def test_it_is_the_maximum_of_the_likelihood(n, seed):
    outcome, score = rows(n, seed, 0.3, 0.8)
    found = recalibrate(outcome, score)
    if isinstance(found, str):
        return
    x = np.log(score / (1 - score))

    def loss(at):
        z = at[0] + at[1] * x
        return np.sum(np.logaddexp(0, z) - outcome * z)

    other = minimize(loss, [0.0, 1.0], method="BFGS")
    assert loss([found.intercept, found.slope]) <= other.fun + 1e-8


def test_calibrated_probabilities_of_0_and_1_are_taken_for_nearly_so():
    outcome, score = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0, 1.0, 0.6, 0.4])
    found = recalibrate(outcome, score)
    assert isinstance(found, Recalibration) and np.isfinite([found.intercept, found.slope]).all()
    assert Recalibration(0.0, 1.0).apply(np.array([0.0, 0.5, 1.0])) == pytest.approx([CLIP, 0.5, 1 - CLIP])


@pytest.mark.parametrize(
    ("outcome", "score", "reason"),
    [
        ([1, 1], [0.2, 0.9], "the same"),
        ([0, 0], [0.2, 0.9], "the same"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], "no bound"),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4], "no bound"),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], "no bound"),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.4], "no bound"),
    ],
)
def test_why_there_is_none(outcome, score, reason):
    found = recalibrate(np.array(outcome, float), np.array(score))
    assert isinstance(found, str) and reason in found
