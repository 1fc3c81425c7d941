import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.thresholds import (
    threshold_for_sensitivity,
    threshold_for_specificity,
    youden_threshold,
)

rows = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40)


@given(rows.filter(lambda r: 0 < sum(p for p, _ in r) < len(r)))
@settings(deadline=None, max_examples=80)
def test_it_is_finite_best_of_all_cuts_and_true_on_its_rows(rows):
    y, s = np.array([p for p, _ in rows]), np.array([v for _, v in rows])
    found = youden_threshold(y, s)
    assert s.min() <= found.value <= s.max()
    called = s >= found.value
    assert found.sensitivity == pytest.approx(called[y].mean()) and found.specificity == pytest.approx(
        (~called[~y]).mean()
    )
    every = [(s >= cut)[y].mean() + (s < cut)[~y].mean() - 1 for cut in s]
    assert found.youden == pytest.approx(max(every), abs=1e-9)


def test_a_gap_is_cut_in_the_middle():
    found = youden_threshold(np.array([False, False, True, True]), np.array([0.1, 0.2, 0.6, 0.9]))
    assert found.value == pytest.approx(0.4) and found.youden == 1


def test_a_useless_score_has_a_finite_threshold():
    found = youden_threshold(np.array([False, True, True]), np.full(3, 0.3))
    assert found.value == 0.3 and found.youden == 0


@pytest.mark.parametrize(
    ("scores", "expected", "other"),
    [([0.05, 0.1, 0.3, 0.35, 0.6, 0.7], 0.475, 0.2), ([0.05, 0.1, 0.5, 0.6, 0.9, 0.95], 0.3, 0.75)],
)
def test_of_equally_good_cuts_the_one_nearest_to_a_half_is_taken(scores, expected, other):
    positive, scores = np.array([False, False, True, False, True, True]), np.array(scores)

    def gain(cut):
        return np.mean(scores[positive] >= cut) - np.mean(scores[~positive] >= cut)

    found = youden_threshold(positive, scores)
    assert gain(expected) == pytest.approx(gain(other)) and gain(expected) == pytest.approx(found.youden)
    assert found.value == pytest.approx(expected)


def test_one_class_has_no_threshold_and_says_why():
    found = youden_threshold(np.ones(3, bool), np.array([0.1, 0.2, 0.3]))
    assert found.value is None and found.youden is None and "one class" in found.reason


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(StageError, match="not finite"):
        youden_threshold(np.array([True, False]), np.array([0.1, np.nan]))


@pytest.mark.parametrize("share", [0.95, 0.9, 0.7, 0.55])
def test_a_threshold_that_reaches_its_target_exactly_is_taken(share):
    scores = np.r_[np.linspace(0.3, 0.7, 20), np.linspace(0.31, 0.71, 20)]
    positive = np.arange(40) >= 20
    assert threshold_for_sensitivity(positive, scores, share).sensitivity == pytest.approx(share)
    assert threshold_for_specificity(positive, scores, share).specificity == pytest.approx(share)
