"""Limits: equal models, numbers of patients with gaps, too few rows, and values at the end of their range."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.errors import StageError
from oceanpath.stats.closed_metrics import calibration_metrics
from oceanpath.stats.comparison import SMALLEST_P, compare
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.estimate import NO_INTERVAL, UNDEFINED
from oceanpath.stats.intervals.smooth_metrics import SCALES, smooth_intervals
from oceanpath.stats.paired import paired_difference, resampled_difference
from oceanpath.stats.panel import decide, evaluate
from oceanpath.stats.recalibration import Recalibration, recalibrate
from oceanpath.stats.resample import draw_patients, percentile_interval
from oceanpath.stats.resampled_t import corrected_resampled_t
from oceanpath.stats.smooth import sum_influences
from oceanpath.stats.survival.dynamic_auc import dynamic_auc, mean_dynamic_auc
from oceanpath.stats.survival.kaplan_meier import kaplan_meier

from .reference_rows import BETTER, LABELS, NAMES, PATIENTS, WORSE


def test_equal_models_differ_by_nothing_and_p_is_1() -> None:
    drawn = draw_patients(NAMES, LABELS, resamples=50)
    first, second = (evaluate(LABELS, BETTER, drawn) for _ in range(2))
    found = paired_difference(first, second)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert (found.n, found.n_patients, found.resamples, found.redrawn) == (len(LABELS), PATIENTS.max() + 1, 0, 0)
    assert found.method == "Student's t, patients clustered" and found.verdict == "not_shown_better"


def test_a_metric_without_known_influences_is_compared_by_resampling() -> None:
    drawn = draw_patients(NAMES, LABELS, resamples=50)
    one, two = (evaluate(LABELS, probs, drawn) for probs in (BETTER, WORSE))
    plain = two.__class__(two.values, two.samples, two.n, two.resamples)
    for first, second in ((one, plain), (plain, one), (plain, plain)):
        found = paired_difference(first, second)
        assert found.resamples == 50 and found.method != "Student's t, patients clustered"
    assert paired_difference(one, two).resamples == 0


def test_numbers_of_patients_may_have_gaps() -> None:
    outcome, score = LABELS.astype(float), BETTER[:, 1]
    near, apart = (recalibrate(outcome, score, patients) for patients in (PATIENTS, PATIENTS * 3 + 1))
    assert isinstance(near, Recalibration) and isinstance(apart, Recalibration)
    assert apart.errors == pytest.approx(near.errors)


def test_three_patients_are_the_fewest_with_an_interval_of_calibration() -> None:
    rows = np.arange(12)
    labels, probs = LABELS[:12], BETTER[:12]
    for patients, has_interval in ((rows % 2, False), (rows % 3, True)):
        ends = calibration_metrics(labels, probs, patients)["calibration_slope"].interval.ends(0.95)
        assert (not isinstance(ends, str)) is has_interval


def test_too_few_patients_outside_the_most_frequent_decision_have_no_interval_of_decisions() -> None:
    labels, decisions, patients = np.arange(20) % 2, (np.arange(20) < 3).astype(np.int64), np.arange(20)
    influences = sum_influences(confusion_measure(labels, decisions, 2), labels)
    found = smooth_intervals(influences, labels, decisions, patients)
    for name in ("balanced_accuracy", "f1", "mcc", "kappa", "kappa_quadratic"):
        assert "fewer than 4 patients outside the most frequent decision" in str(found[name].ends(0.95))
    enough = smooth_intervals(influences, labels, (np.arange(20) < 4).astype(np.int64), patients)
    assert not isinstance(enough["f1"].ends(0.95), str)


def test_reasons_are_given_for_metrics_that_are_reported() -> None:
    drawn = draw_patients(NAMES, LABELS, resamples=20)
    reported = set(evaluate(LABELS, BETTER, drawn, PATIENTS % 3).values)
    closed = set(calibration_metrics(LABELS, BETTER, PATIENTS))
    assert set(UNDEFINED) <= reported and set(NO_INTERVAL) <= closed and set(SCALES) <= reported
    assert decide(BETTER).tolist() == (BETTER[:, 1] > BETTER[:, 0]).astype(int).tolist()


@pytest.mark.parametrize(("value", "error", "p"), [(0.0, 0.0, 1.0), (1e-16, 1e-16, 1.0), (0.1, 0.0, None)])
def test_a_difference_without_an_error_has_no_interval_and_a_reason(value: float, error: float, p: float) -> None:
    found = compare(value, error, 5.0)
    assert (found.low, found.high, found.p, found.error, found.freedom) == (None, None, p, 0.0, 5.0)
    assert found.reason and found.record()["reason"] == found.reason
    assert "degrees_of_freedom" not in compare(0.1, 0.1).record() and compare(0.1, 0.1, 3.0).record()


def test_p_values_are_two_sided_and_between_the_smallest_number_and_1() -> None:
    assert compare(0.0, 0.1).p == pytest.approx(1.0)
    assert compare(0.196, 0.1).p == pytest.approx(0.05, abs=1e-3) == compare(-0.196, 0.1).p
    assert compare(1e6, 1e-3).p == SMALLEST_P
    assert compare(0.1, 0.1, 1.0).p == pytest.approx(0.5)  # Cauchy: P(|t| > 1)


def test_two_differences_are_the_fewest_for_a_t_test() -> None:
    assert corrected_resampled_t(np.array([0.1, 0.2]), 0.0).freedom == 1
    for differences, share in (([0.1], 0.25), ([0.1, 0.2], -0.1), ([0.1, np.nan], 0.25)):
        with pytest.raises(StageError, match="two differences"):
            corrected_resampled_t(np.array(differences), share)


def test_a_percentile_interval_contains_its_value_or_is_refused() -> None:
    samples = np.linspace(0.4, 0.6, 101)
    assert percentile_interval(0.5, samples, 0.9) == pytest.approx((0.41, 0.59))
    assert percentile_interval(0.41 - 1e-13, samples, 0.9) == pytest.approx((0.41, 0.59))
    for value in (0.3, 0.7):
        assert "one side" in str(percentile_interval(value, samples, 0.9))
    assert percentile_interval(0.5, np.r_[samples, np.nan], 0.9) == "undefined in 1 resamples"


def test_two_thousand_resamples_are_the_default() -> None:
    assert len(draw_patients(NAMES, LABELS).counts) == 2000


def test_the_reason_of_a_difference_is_that_of_its_undefined_metric() -> None:
    drawn = draw_patients(NAMES[:6], np.zeros(6, np.int64), resamples=20)
    positive, negative = np.tile([0.2, 0.8], (6, 1)), np.tile([0.8, 0.2], (6, 1))
    first, second = (evaluate(np.zeros(6, np.int64), probs, drawn) for probs in (negative, positive))
    for metrics, undefined in ((("accuracy", "auroc"), "auroc"), (("sensitivity", "accuracy"), "sensitivity")):
        found = resampled_difference(first, second, metrics)
        assert (found.value, found.reason) == (None, UNDEFINED[undefined])


def test_no_time_with_an_area_has_no_mean_of_areas() -> None:
    curve = kaplan_meier(np.array([1.0, 2.0, 3.0]), np.ones(3, bool))
    assert np.isnan(mean_dynamic_auc(np.array([np.nan, np.nan]), np.array([1.0, 2.0]), curve))
    without_controls = dynamic_auc(np.ones(3), np.ones(3, bool), np.arange(3.0), curve, np.array([2.0]))
    assert np.isnan(without_controls).all()
