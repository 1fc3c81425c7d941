import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from oceanpath.errors import StageError
from oceanpath.stats import resample
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.discrimination import Measure, ranking_measure
from oceanpath.stats.proper_scores import proper_measure
from oceanpath.stats.resample import bootstrap, draw_patients

from ..narrowing import required


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=25), st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_patients_come_whole_and_every_resample_has_every_class(rows, seed):
    patients, labels = [f"p{a}" for a, _ in rows], np.array([b for _, b in rows])
    drawn = draw_patients(patients, labels, resamples=30, seed=seed)
    if drawn.reason:
        assert len(drawn.counts) == 0
        return
    assert np.all(drawn.counts.sum(axis=1) == len(set(patients)))
    weights = np.concatenate(list(drawn.blocks()))
    for name in set(patients):
        own = weights[:, [i for i, p in enumerate(patients) if p == name]]
        assert np.all(own == own[:, :1])
    for label in set(labels.tolist()):
        assert np.all(weights[:, labels == label].sum(axis=1) > 0)


def test_samples_are_those_of_a_plain_loop_on_the_same_resamples(cohort):
    labels, probs, patients = cohort(60, per_patient=2, decimals=1)
    drawn = draw_patients(patients, labels, resamples=50, seed=3)
    found = bootstrap([ranking_measure(labels, probs)], drawn)
    for r in range(50):
        rows = np.repeat(np.arange(60), drawn.counts[r][drawn.numbers])
        assert found.samples["auroc"][r] == pytest.approx(roc_auc_score(labels[rows], probs[rows, 1]), abs=1e-12)
    low, high = np.quantile(found.samples["auroc"], [0.05, 0.95])
    estimate = found.estimate("auroc", 0.9)
    assert (estimate.low, estimate.high) == (low, high) and estimate.n == 60 and estimate.n_patients == 30


def test_blocks_never_change_a_result(estimates, cohort, monkeypatch):
    labels, probs, patients = cohort(50, per_patient=2)
    once = estimates(labels, probs, patients, resamples=200)
    monkeypatch.setattr(resample, "BLOCK_CELLS", 130)
    assert estimates(labels, probs, patients, resamples=200) == once


def test_the_same_slide_five_times_tells_no_more(estimates, cohort):
    labels, probs, patients = cohort(80)
    once = estimates(labels, probs, patients, resamples=400)["auroc"]
    five = estimates(np.repeat(labels, 5), np.repeat(probs, 5, axis=0), np.repeat(patients, 5), resamples=400)["auroc"]
    assert (five.value, five.low, five.high) == pytest.approx((once.value, once.low, once.high), abs=1e-12)
    assert (five.n, five.n_patients) == (400, 80)
    as_slides = estimates(np.repeat(labels, 5), np.repeat(probs, 5, axis=0), [str(i) for i in range(400)])["auroc"]
    assert as_slides.high - as_slides.low < 0.6 * (five.high - five.low)  # what resampling slides would claim


def test_a_rare_class_is_drawn_again_and_counted(cohort):
    labels, probs, patients = cohort(40)
    labels[:] = 0
    labels[0] = 1
    drawn = draw_patients(patients, labels, resamples=500)
    assert 300 > drawn.redrawn > 200  # (1 - 1/40)^40 = 0.363 of 500, again of those, and again: 285 in all
    estimate = bootstrap([ranking_measure(labels, probs)], drawn).estimate("auroc")
    assert estimate.redrawn == drawn.redrawn and estimate.low is not None and estimate.resamples == 500


def test_too_few_patients_have_no_interval_and_say_why():
    labels = np.arange(12)
    found = draw_patients([f"p{i}" for i in labels], labels, resamples=50)
    assert "too few patients" in found.reason and len(found.counts) == 0
    value = bootstrap([confusion_measure(labels, labels, 12)], found).estimate("accuracy")
    assert value.value == 1 and value.low is None and "too few" in value.reason
    one = draw_patients(["a", "a"], np.array([0, 1]))
    assert one.reason == "one patient only"
    two = draw_patients(["a", "b"], np.array([0, 1]), resamples=50)
    assert two.reason == "" and np.all(two.counts == 1)  # any other resample lacks a class


def test_no_rows_are_refused():
    with pytest.raises(StageError, match="or no rows"):
        draw_patients([], np.empty(0, int))


def test_the_seed_decides(cohort):
    labels, probs, patients = cohort(50)
    measures: list[Measure] = [ranking_measure(labels, probs), proper_measure(labels, probs)]
    one, same, other = (
        bootstrap(measures, draw_patients(patients, labels, resamples=200, seed=seed)).estimates() for seed in (1, 1, 2)
    )
    assert one == same and one["brier"].low != other["brier"].low


@pytest.mark.alone
def test_two_thousand_resamples_of_all_metrics_are_quick(estimates, cohort):
    labels, probs, patients = cohort(500, per_patient=2)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        estimates(labels, probs, patients)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3


def test_nine_of_ten_intervals_of_ninety_percent_hold_the_truth():
    """Two normal scores one standard deviation apart: AUROC = Φ(1/√2) = 0.7602; two slides a patient, correlated."""
    rng, held = np.random.default_rng(5), 0
    for trial in range(300):
        label = np.repeat(np.arange(120) % 2, 2)
        score = label + np.repeat(rng.normal(size=120), 2) * np.sqrt(0.8) + rng.normal(size=240) * np.sqrt(0.2)
        p = 1 / (1 + np.exp(-score))
        patients = [f"p{i // 2}" for i in range(240)]
        drawn = draw_patients(patients, label, resamples=400, seed=trial)
        found = bootstrap([ranking_measure(label, np.stack([1 - p, p], 1))], drawn).estimate("auroc", 0.9)
        held += required(found.low) <= 0.76025 <= required(found.high)
    assert 0.84 < held / 300 < 0.95
