"""Influences of smooth metrics and their intervals: against single rows left out of the sums, copies, and limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.bayesian_signed_rank import bayesian_signed_rank
from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.discrimination import Measure, ranking_measure
from oceanpath.stats.intervals.delta import BELOW_ONE, FISHER, LOG, LOGIT, delta_interval
from oceanpath.stats.intervals.smooth_metrics import DELTA
from oceanpath.stats.paired import mover
from oceanpath.stats.panel import decide, evaluate
from oceanpath.stats.proper_scores import proper_measure
from oceanpath.stats.repeats import evaluate_by_repeat
from oceanpath.stats.resample import draw_patients
from oceanpath.stats.smooth import auprc_influence, sum_influences

from .areas import columns, ends, existing, influence_of


@given(st.integers(0, 500), st.sampled_from([2, 3]), st.booleans())
@settings(deadline=None, max_examples=25)
def test_an_influence_is_the_derivative_by_the_weight_of_a_row(seed, classes, has_ties):
    random = np.random.default_rng(seed)
    labels, probs = random.permutation(np.arange(24) % classes), random.dirichlet(np.ones(classes), 24)
    if has_ties:
        probs = (np.round(probs, 1) + 0.02) / (np.round(probs, 1) + 0.02).sum(axis=1, keepdims=True)
    sums = (confusion_measure(labels, decide(probs), classes), proper_measure(labels, probs))
    found: dict[str, tuple[Influence, Measure]] = {
        name: (one, measure) for measure in sums for name, one in sum_influences(measure, labels).items()
    }
    found["auprc"] = (existing(auprc_influence(labels, probs)), ranking_measure(labels, probs))
    weights = np.concatenate([np.ones((1, 24)), 1 + 1e-4 * np.eye(24), 1 - 1e-4 * np.eye(24)])
    for name, (influence, measure) in found.items():
        values = np.asarray(measure(weights)[name])
        assert influence.value == pytest.approx(values[0], abs=1e-12)
        assert influence.rows == pytest.approx((values[1:25] - values[25:]) / 2e-4, abs=1e-5), name
        assert influence.rows.sum() == pytest.approx(0, abs=1e-8)


def test_copies_of_slides_change_no_interval_and_no_metric_is_resampled(cohort):
    labels, probs, patients = cohort(60, per_patient=2)
    once = evaluate(labels, probs, draw_patients(patients, labels, resamples=100)).estimates()
    y, p, who = (np.repeat(x, 3, axis=0) for x in (labels, probs, np.array(patients)))
    thrice = evaluate(y, p, draw_patients(who.tolist(), y, resamples=100)).estimates()
    smooth = [name for name, estimate in once.items() if estimate.method == DELTA]
    assert len(smooth) == 9 and all(estimate.resamples == 0 for estimate in once.values())
    for name in smooth:
        assert (thrice[name].low, thrice[name].high) == pytest.approx((once[name].low, once[name].high), abs=1e-8)


@pytest.mark.parametrize(("scale", "value"), [(LOGIT, 0.9), (FISHER, -0.3), (LOG, 2.0), (BELOW_ONE, -0.4)])
def test_a_scale_keeps_the_interval_within_its_range(cohort, scale, value):
    labels, probs, _ = cohort(40)
    variance = clustered_variance(existing(auprc_influence(labels, probs)), np.arange(40))
    low, high = ends(delta_interval(value, variance, scale))
    assert scale.low < low < value < high < scale.high
    step = 1e-6
    assert scale.slope(value) == pytest.approx((scale.forward(value + step) - scale.forward(value)) / step, rel=1e-4)
    assert scale.back(scale.forward(value)) == pytest.approx(value)


def test_where_no_interval_holds_the_reason_is_stated():
    def found(labels, score):
        drawn = draw_patients([f"p{i:02d}" for i in range(len(labels))], labels, resamples=100)
        return evaluate(labels, columns(score), drawn).estimates()

    score = np.linspace(0.9, 0.1, 20)
    few = found((np.arange(20) < 3).astype(int), score)
    assert "fewer than 4 patients of a class" in few["f1"].reason and few["brier"].low is not None
    labels = np.arange(20) % 2
    rare = found(labels, np.where(np.arange(20) == 3, 0.6, score / 2))
    assert "outside the most frequent decision" in rare["mcc"].reason and rare["auprc"].low is not None
    perfect = found(labels, labels * 0.8 + 0.1)["f1"]
    assert perfect.value == 1 and perfect.low is None and "end of its range" in perfect.reason
    assert "fewer than 5 patients" in found(labels[:4], score[:4])["brier"].reason


def test_means_over_repeats_have_the_interval_of_their_influences(cohort):
    """Identical repeats contain no more than one of them."""
    labels, probs, patients = cohort(60, per_patient=2)
    once = evaluate(labels, probs, draw_patients(patients, labels, resamples=100))
    y, p = np.tile(labels, 2), np.tile(probs, (2, 1))
    drawn = draw_patients(patients * 2, y, resamples=100)
    both = evaluate_by_repeat(np.repeat([0, 1], 60), drawn, 60, lambda own, part: evaluate(y[own], p[own], part))
    for name in ("auroc", "auprc", "f1", "log_loss"):
        one, two = once.estimate(name), both.estimate(name)
        near = 1e-4 if name == "auroc" else 1e-8  # its small-sample correction estimates how alike the rows are
        assert (two.value, two.low, two.high) == pytest.approx((one.value, one.low, one.high), abs=near)
    assert both.estimate("accuracy").low is not None and both.estimate("accuracy").n == 60


def test_the_interval_of_a_difference_of_symmetric_intervals_is_that_of_its_standard_error(cohort):
    labels, probs, _ = cohort(60, per_patient=2)
    other, patients = np.clip(probs + np.random.default_rng(0).normal(0, 0.2, probs.shape), 0, 1), np.arange(60) // 2
    both = influence_of(labels, probs), influence_of(labels, other)
    errors = [np.sqrt(clustered_variance(one, patients).total) for one in both]
    singles = [(one.value - 2 * error, one.value + 2 * error) for one, error in zip(both, errors, strict=True)]
    error = float(np.sqrt(clustered_variance(both[0].minus(both[1]), patients).total))
    value = both[0].value - both[1].value
    assert mover(both, (singles[0], singles[1]), error, patients) == pytest.approx(
        (value - 2 * error, value + 2 * error)
    )


def test_the_bayesian_signed_rank_test_of_clear_small_and_opposite_differences():
    """Mirrored differences have mirrored results."""
    clear = bayesian_signed_rank(np.linspace(0.05, 0.1, 10))
    small = bayesian_signed_rank(np.linspace(-0.004, 0.004, 10))
    mixed = bayesian_signed_rank(np.array([-0.1, 0.1, -0.05, 0.05]), rope=0.0)
    assert clear.first_better > 0.99 and small.equivalent > 0.99
    assert mixed.first_better == pytest.approx(mixed.second_better, abs=0.02)
    mirrored = bayesian_signed_rank(-np.linspace(0.05, 0.1, 10))
    assert mirrored.second_better == clear.first_better
    assert clear.first_better + clear.equivalent + clear.second_better == pytest.approx(1)
    for differences, rope in ((np.array([0.1]), 0.01), (np.array([0.1, 0.2]), -1.0)):
        with pytest.raises(StageError, match="two differences"):
            bayesian_signed_rank(differences, rope)
