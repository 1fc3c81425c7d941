"""Means of slides with patients as clusters, and areas of scores on any scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from oceanpath.stats.clustered_mean import UNIT, clustered_mean
from oceanpath.stats.rank_area import rank_area


def test_with_one_slide_per_patient_it_is_the_interval_of_student() -> None:
    values = np.random.default_rng(0).normal(2, 3, 15)
    found = clustered_mean(values, np.arange(15))
    expected = stats.t.interval(0.95, 14, values.mean(), stats.sem(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(expected) and (found.n, found.n_patients) == (15, 15)


def test_repeated_slides_of_a_patient_add_no_information() -> None:
    values = np.random.default_rng(0).normal(2, 3, 15)
    once, thrice = (clustered_mean(np.repeat(values, k), np.repeat(np.arange(15), k)) for k in (1, 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_numbers_without_an_interval_state_the_reason() -> None:
    assert clustered_mean(np.array([1.0, 2.0]), np.array([0, 0])).reason == "one patient"
    assert clustered_mean(np.ones(3), np.arange(3)).reason and clustered_mean(np.ones(3), np.arange(3)).value == 1
    assert clustered_mean(np.empty(0), np.empty(0, np.int64)).value is None
    unit = clustered_mean(np.array([0.99, 0.8, 0.999, 1.0]), np.arange(4), scale=UNIT)
    assert unit.low is not None and unit.high is not None and 0 < unit.low < unit.high < 1


def test_the_area_is_the_share_of_pairs_in_order_with_ties_as_half() -> None:
    positive = np.array([True, False, True, False])
    assert rank_area(positive, np.array([-3.0, -8, 1e9, -3])) == pytest.approx((1 + 0.5 + 1 + 1) / 4)
    assert rank_area(np.ones(3, bool), np.arange(3.0)) is None
