"""Metrics of repeats are means on joint resamples of patients."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.repeats import mean_over_repeats, resamples_of_rows
from oceanpath.stats.resample import bootstrap, draw_patients


def test_the_mean_is_over_repeats_and_resamples_are_shared() -> None:
    random = np.random.default_rng(0)
    patients = [f"p{k % 30:02d}" for k in range(60)]
    labels = np.array([k % 30 % 2 for k in range(60)])
    score = random.random(60)
    drawn = draw_patients(patients, labels, resamples=50, seed=1)
    parts, alone = [], []
    for own in (np.arange(30), np.arange(30, 60)):
        probs = np.stack([1 - score[own], score[own]], axis=1)
        parts.append(bootstrap([ranking_measure(labels[own], probs)], resamples_of_rows(drawn, own)))
        own_drawn = draw_patients([patients[i] for i in own], labels[own], resamples=50, seed=1)
        alone.append(bootstrap([ranking_measure(labels[own], probs)], own_drawn))
    found = mean_over_repeats(parts, [np.arange(30), np.arange(30, 60)], drawn, 30)
    assert found.values["auroc"] == pytest.approx(np.mean([part.values["auroc"] for part in alone]), abs=1e-12)
    joint = np.mean([part.samples["auroc"] for part in alone], axis=0)  # both repeats test the same patients
    np.testing.assert_allclose(found.samples["auroc"], joint, atol=1e-12)
    assert (found.n, found.resamples.counts.shape[1]) == (30, 30)


def test_a_metric_that_a_repeat_lacks_is_undefined_and_a_resample_that_lacks_it_is_left_out() -> None:
    labels, patients = np.array([0, 1, 0, 0]), ["a", "b", "c", "d"]
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.6, 0.4]])
    drawn = draw_patients(patients, labels, resamples=100, seed=0)
    halves = [np.array([0, 1]), np.array([2, 3])]
    parts = [bootstrap([ranking_measure(labels[own], probs[own])], resamples_of_rows(drawn, own)) for own in halves]
    found = mean_over_repeats(parts, halves, drawn, 4)
    assert found.values["auroc"] is None
    whole = mean_over_repeats([parts[0], parts[0]], [halves[0], halves[0]], drawn, 4)
    known = ~np.isnan(parts[0].samples["auroc"])
    assert 0 < known.sum() < 100
    np.testing.assert_array_equal(~np.isnan(whole.samples["auroc"]), known)
