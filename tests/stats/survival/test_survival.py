"""Published values, scikit-survival and lifelines where they are installed, and plain loops."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.survival.brier import brier_over_time, integrated_brier
from oceanpath.stats.survival.concordance import default_tau, harrell, uno
from oceanpath.stats.survival.d_calibration import d_calibration
from oceanpath.stats.survival.dynamic_auc import dynamic_auc, mean_dynamic_auc
from oceanpath.stats.survival.groups import log_rank, rmst, rmst_difference
from oceanpath.stats.survival.kaplan_meier import censoring_curve, kaplan_meier

from .conftest import draw_rows

seeds = st.integers(0, 10_000)
many = settings(deadline=None, max_examples=200)


def structured(time, event):
    return np.array(list(zip(event, time, strict=True)), dtype=[("event", bool), ("time", float)])


@pytest.mark.real
def test_published_log_rank_tests_and_median(lung, rossi):
    """R survdiff: lung by sex chi-square 10.3, p 0.00131; Rossi by aid 3.84, p 0.0501; median of lung 310 days."""
    time, event, sex = lung
    found = log_rank(time, event, sex == 1)
    assert (found.statistic, found.p) == pytest.approx((10.32674195, 0.00131116452), rel=1e-8)
    time, event, aid = rossi
    found = log_rank(time, event, aid == 1)
    assert (found.statistic, found.p) == pytest.approx((3.837569577, 0.05011612), rel=1e-7)
    assert kaplan_meier(*lung[:2]).median() == 310


@given(seeds)
@many
def test_harrell_is_that_of_pair_counting(seed):
    time, event, risk = draw_rows(seed, 25)
    won = pairs = 0.0
    for i in range(25):
        for j in range(25):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pairs += 1
                won += (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
    found = harrell(time, event, risk)
    assert found.comparable == pairs and (found.value is None) == (pairs == 0)
    if pairs:
        assert found.value == pytest.approx(won / pairs)
        turned = harrell(time, event, -risk)
        assert turned.value == pytest.approx(1 - won / pairs) and turned.tied_risk == found.tied_risk


@given(seeds)
@many
def test_concordance_dynamic_auc_and_brier_are_those_of_scikit_survival(seed):
    sksurv = pytest.importorskip("sksurv.metrics", reason="scikit-survival is not installed")
    train_time, train_event, _ = draw_rows(seed + 1, 60)
    time, event, risk = draw_rows(seed, 40)
    last = min(train_time[~train_event].max(initial=1), train_time[train_event].max(initial=1))
    kept = time < last - 1
    time, event, risk = time[kept], event[kept], risk[kept]
    if event.sum() < 3 or kept.sum() < 10 or len(np.unique(time)) < 5:
        return
    train, test = structured(train_time, train_event), structured(time, event)
    free = censoring_curve(train_time, train_event)
    tau = float(np.quantile(time, 0.8))
    if (event & (time < tau)).sum() < 2:
        return
    assert harrell(time, event, risk).value == pytest.approx(sksurv.concordance_index_censored(event, time, risk)[0])
    expected = sksurv.concordance_index_ipcw(train, test, risk, tau=tau)[0]
    assert uno(time, event, risk, free, tau).value == pytest.approx(expected)
    at = np.unique(np.quantile(time, [0.3, 0.5, 0.7]))
    at = at[(at > time[event].min()) & (at < time.max())]
    if len(at) < 2:
        return
    areas, _ = sksurv.cumulative_dynamic_auc(train, test, risk, at)
    assert dynamic_auc(time, event, risk, free, at) == pytest.approx(areas, abs=1e-9)
    curves = np.exp(-np.outer(np.exp(risk), at) / 20)
    _, scores = sksurv.brier_score(train, test, curves, at)
    assert brier_over_time(time, event, curves, free, at) == pytest.approx(scores, abs=1e-9)
    found = integrated_brier(time, event, curves, (kaplan_meier(train_time, train_event), free), at)
    assert found.ibs == pytest.approx(sksurv.integrated_brier_score(train, test, curves, at), abs=1e-9)
    assert found.scaled == pytest.approx(1 - found.ibs / found.kaplan_meier)


@pytest.mark.filterwarnings("ignore")  # lifelines warns of pandas 4
@given(seeds)
@many
def test_curves_log_rank_and_restricted_means_are_those_of_lifelines(seed):
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed")
    logrank_test = importlib.import_module("lifelines.statistics").logrank_test
    restricted_mean_survival_time = importlib.import_module("lifelines.utils").restricted_mean_survival_time
    time, event, risk = draw_rows(seed)
    curve, fit = kaplan_meier(time, event), lifelines.KaplanMeierFitter().fit(time, event)
    assert curve.at(curve.times) == pytest.approx(fit.survival_function_at_times(curve.times).to_numpy())
    high = risk > np.median(risk)
    found, expected = log_rank(time, event, high), logrank_test(time[high], time[~high], event[high], event[~high])
    if found.p is not None:
        assert (found.statistic, found.p) == pytest.approx((expected.test_statistic, expected.p_value))
    tau = float(min(time[high].max(), time[~high].max()))
    fits = [lifelines.KaplanMeierFitter().fit(time[rows], event[rows]) for rows in (high, ~high)]
    means = [restricted_mean_survival_time(fit, t=tau) for fit in fits]
    assert rmst_difference(time, event, high, tau).value == pytest.approx(means[0] - means[1], rel=1e-6)


def test_a_curve_by_hand():
    """Six rows: 1, 2+, 3, 3, 4+, 5: survival 5/6, then 5/6 · 1/2, then 0."""
    time, event = np.array([1.0, 2, 3, 3, 4, 5]), np.array([1, 0, 1, 1, 0, 1], bool)
    curve = kaplan_meier(time, event)
    assert curve.at(np.array([0.5, 1, 2.9, 3, 4.5, 5])) == pytest.approx([1, 5 / 6, 5 / 6, 5 / 12, 5 / 12, 0])
    assert curve.median() == 3 and kaplan_meier(time, np.zeros(6, bool)).median() is None
    assert rmst(curve, 4.0)[0] == pytest.approx(1 + 2 * 5 / 6 + 5 / 12)
    free = censoring_curve(time, event)
    assert free.at(np.array([1.5, 2, 4])) == pytest.approx([1, 4 / 5, 2 / 5])


def test_uno_is_harrell_without_censoring_and_stops_before_tau():
    time, _, risk = draw_rows(1)
    event = np.ones(40, bool)
    free = censoring_curve(time, event)
    assert uno(time, event, risk, free, np.inf).value == pytest.approx(harrell(time, event, risk).value)
    early = time < 5
    won = [
        (risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])
        for i in np.flatnonzero(early)
        for j in np.flatnonzero(time > time[i])
    ]
    assert uno(time, event, risk, free, 5.0).value == pytest.approx(np.mean(won))
    curve = kaplan_meier(time, event)
    assert default_tau(curve) == np.sort(time)[-4]


def test_an_event_beyond_the_training_rows_is_refused():
    free = censoring_curve(np.array([1.0, 2, 3]), np.array([True, False, False]))
    time, event = np.array([1.0, 4, 5]), np.array([True, True, False])
    with pytest.raises(StageError, match="later than the training rows"):
        uno(time, event, np.arange(3.0), free, 10.0)
    with pytest.raises(StageError, match="later than the training rows"):
        brier_over_time(time, event, np.full((3, 1), 0.5), free, np.array([4.0]))
    with pytest.raises(StageError, match="tau is later"):
        rmst(kaplan_meier(time, event), 6.0)


def test_no_comparable_pair_has_no_concordance():
    found = harrell(np.array([1.0, 2]), np.zeros(2, bool), np.zeros(2))
    assert found.value is None and "comparable" in found.reason
    with pytest.raises(StageError, match="finite risk"):
        harrell(np.array([1.0, 2]), np.ones(2, bool), np.array([np.nan, 0]))
    with pytest.raises(StageError, match="negative"):
        kaplan_meier(np.array([-1.0]), np.ones(1, bool))


def test_the_mean_of_areas_is_weighted_by_the_decrease_of_survival():
    curve = kaplan_meier(np.array([1.0, 2, 3, 4]), np.ones(4, bool))
    assert mean_dynamic_auc(np.array([0.6, 0.9]), np.array([1.0, 3.0]), curve) == pytest.approx((0.6 + 2 * 0.9) / 3)


def test_calibrated_curves_are_not_rejected_and_wrong_ones_are():
    random, p = np.random.default_rng(0), []
    for _ in range(400):
        rate = random.uniform(0.05, 0.5, 100)
        time, limit = random.exponential(1 / rate), random.exponential(6, 100)
        event, seen = time <= limit, np.minimum(time, limit)
        p.append(d_calibration(np.exp(-rate * seen), event).p)
        assert d_calibration(np.exp(-rate * seen), event).counts.sum() == pytest.approx(100)
    assert np.mean(np.array(p) < 0.05) < 0.06  # censored rows are spread, so that the test is conservative
    assert d_calibration(np.exp(-3 * rate * seen), event).p < 1e-4


def test_d_calibration_by_hand():
    found = d_calibration(np.array([0.95, 0.25, 0.5]), np.array([True, True, False]), bins=4)
    assert found.counts == pytest.approx([0.5, 1.5, 0, 1])  # 0.25 and 0.5 are the first values of their bins
