"""Simulated miscalibration is recovered; thresholds and net benefits are those of counting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from oceanpath.stats.calibrators import METHODS, fit_calibrators
from oceanpath.stats.decision_curve import decision_curve
from oceanpath.stats.resample import draw_patients
from oceanpath.stats.thresholds import threshold_for_costs, threshold_for_sensitivity, threshold_for_specificity

RANDOM, N = np.random.default_rng(0), 4000
TRUE = expit(RANDOM.normal(size=N) * 1.5)
OUTCOME = RANDOM.random(N) < TRUE
EXTREME = expit(3 * logit(TRUE))


def test_too_extreme_probabilities_are_calibrated_by_every_method() -> None:
    fitted = fit_calibrators(OUTCOME, EXTREME)
    assert list(fitted) == list(METHODS)
    for name, method in fitted.items():
        assert callable(method)
        error = np.abs(method(EXTREME) - TRUE)
        assert error.mean() < (0.03 if name == "isotonic" else 0.015), name
        order = np.argsort(EXTREME)
        assert (np.diff(method(EXTREME)[order]) >= -1e-12).all()
    temperature = fitted["temperature"]
    assert callable(temperature)
    assert logit(0.9) / logit(float(temperature(np.array([0.9]))[0])) == pytest.approx(3, rel=0.1)
    few = fit_calibrators(np.array([True, False, False]), np.array([0.5, 0.5, 0.5]))
    assert all(isinstance(reason, str) for reason in few.values())


def test_isotonic_regression_is_that_of_scikit_learn() -> None:
    p, y = EXTREME[:200], OUTCOME[:200]
    isotonic = fit_calibrators(y, p)["isotonic"]
    assert callable(isotonic)
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, y).predict(p)
    assert isotonic(p) == pytest.approx(expected)


def test_thresholds_have_the_best_value_that_meets_their_target() -> None:
    positive, scores = OUTCOME[:60], np.round(TRUE[:60], 2)
    cuts = np.r_[np.unique(scores), 2.0]
    rates = [((scores[positive] >= c).mean(), (scores[~positive] < c).mean()) for c in cuts]
    sensitive = threshold_for_sensitivity(positive, scores, 0.9)
    specific = threshold_for_specificity(positive, scores, 0.9)
    assert sensitive.specificity == pytest.approx(max(sp for se, sp in rates if se >= 0.9))
    assert specific.sensitivity == pytest.approx(max(se for se, sp in rates if sp >= 0.9))
    for found in (sensitive, specific):
        assert found.value is not None
        assert (scores[positive] >= found.value).mean() == pytest.approx(found.sensitivity)
        assert (scores[~positive] < found.value).mean() == pytest.approx(found.specificity)
    costs = [5 * (~(scores >= c) & positive).sum() + ((scores >= c) & ~positive).sum() for c in cuts]
    cheap = threshold_for_costs(positive, scores, 5)
    assert cheap.value is not None
    called = scores >= cheap.value
    assert 5 * (~called & positive).sum() + (called & ~positive).sum() == min(costs)
    assert threshold_for_sensitivity(np.ones(3, bool), np.arange(3.0), 0.9).value is None


def test_net_benefit_is_that_of_counting_and_inside_its_band() -> None:
    y, p = OUTCOME[:100], TRUE[:100]
    drawn = draw_patients([f"p{i // 2}" for i in range(100)], y.astype(np.int64), resamples=100, seed=1)
    curve = decision_curve(y, p, drawn, 0.95)
    at = int(np.flatnonzero(curve.thresholds == 0.2)[0])
    called = p >= 0.2
    assert curve.model[at] == pytest.approx((called & y).mean() - (called & ~y).mean() * 0.25)
    assert curve.everybody[at] == pytest.approx(y.mean() - (~y).mean() * 0.25)
    assert curve.low is not None and curve.high is not None
    assert (curve.low <= curve.model).all() and (curve.model <= curve.high).all()
