"""Temperatures and thresholds come from inner validation rows, and say why where they do not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.bundle.facts import MemberFacts
from oceanpath.artifacts.predictions import read_cv_results, write_predictions
from oceanpath.stages.export.calibrate import (
    calibrate_members,
    describe_calibration,
    ensemble_threshold,
    move_threshold,
)
from oceanpath.tasks.classification import Classification

from ...narrowing import required

CLASSES = ["NR", "R"]


def write_rows(folder, probabilities, labels):
    folder.mkdir()
    frame = pd.DataFrame({"slide_id": [f"s{i:03d}" for i in range(len(labels))]})
    frame["patient_id"] = frame["slide_id"]
    frame["label"] = [CLASSES[i] for i in labels]
    frame["prob_NR"], frame["prob_R"] = 1 - probabilities, probabilities
    write_predictions(frame.assign(fold=0, role="val"), folder / "preds_val.parquet", Classification(CLASSES))


def one(tmp_path, probabilities, labels, *, fit_temperatures=True, threshold=0.4) -> MemberFacts:
    write_rows(tmp_path / "fold_0", np.asarray(probabilities), labels)
    results = {"classes": CLASSES, "per_fold": [{"fold": 0, "threshold": threshold}]}
    return calibrate_members(tmp_path, results, fit_temperatures=fit_temperatures)[0]


@settings(deadline=None, max_examples=60)
@given(
    p=st.floats(0.001, 0.999),
    cut=st.floats(0.01, 0.99),
    temperature=st.floats(0.25, 10).filter(lambda t: abs(t - 1) > 1e-3),  # below, float64 cannot tell 0.99 from 1
)
def test_a_moved_threshold_decides_as_before(p, cut, temperature):
    moved = move_threshold(cut, temperature)
    calibrated = move_threshold(p, temperature)  # the same map takes probabilities
    if abs(p - cut) > 1e-9:
        assert (calibrated >= moved) == (p >= cut)
    assert 0 < moved < 1


@pytest.mark.parametrize("edge", [0.0, 1.0, -0.5, 1.5])
def test_a_threshold_at_the_edge_stays(edge):
    assert move_threshold(edge, 2.0) == edge


def test_rows_that_are_too_sure_get_a_temperature_above_1(study):
    members = calibrate_members(study.train, read_cv_results(study.train), fit_temperatures=True)
    assert all(member.temperature > 1 for member in members)
    assert all(member.reason == "" and member.n_val == 25 for member in members)
    assert all(member.raw_threshold == 0.7 and 0.5 < required(member.threshold) < 0.7 for member in members)
    described = describe_calibration(members)
    assert described.method == "temperature" and "divided by its temperature" in described.served


def test_a_known_temperature_is_found(tmp_path):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(4000) * 2
    labels = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(int)
    member = one(tmp_path, 1 / (1 + np.exp(-3 * logits)), labels)
    assert member.temperature == pytest.approx(3, rel=0.08)


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        ([0.4, 0.6] * 9, [0, 1] * 9, "18 validation slides"),
        ([0.4, 0.6] * 15, [0] * 30, "a class is missing"),
        ([0.4, 0.6] * 15, [0, 1] * 15, "separable"),
        ([0.6, 0.4] * 15, [0, 1] * 15, "uninformative"),
    ],
)
def test_without_enough_to_go_on_the_temperature_is_1_with_a_reason(tmp_path, probabilities, labels, words):
    member = one(tmp_path, probabilities, labels)
    assert member.temperature == 1
    assert words in member.reason
    assert member.threshold == pytest.approx(member.raw_threshold)


def test_it_can_be_switched_off(tmp_path):
    rng = np.random.default_rng(0)
    member = one(tmp_path, rng.uniform(0.01, 0.99, 60), [0, 1] * 30, fit_temperatures=False)
    assert member.temperature == 1
    assert "export.calibrate" in member.reason
    described = describe_calibration([member])
    assert described.method == "none" and described.served.startswith("No temperature scaling")


def member(threshold: float | None) -> MemberFacts:
    return MemberFacts(fold=0, n_val=30, temperature=1, raw_threshold=threshold, threshold=threshold)


def test_the_ensemble_cuts_at_the_mean():
    found = ensemble_threshold([member(0.2), member(0.6), member(None)], Classification(CLASSES))
    assert found.value == pytest.approx(0.4) and found.positive == "R"
    assert "2 of 3 members" in found.reason
    assert "not evaluated for the ensemble" in found.reason


def test_there_is_no_threshold_without_two_classes_or_without_any_member_s():
    assert ensemble_threshold([member(0.5)], Classification(["a", "b", "c"])).value is None
    found = ensemble_threshold([member(None)], Classification(CLASSES))
    assert (found.value, found.positive) == (None, "R")
    assert found.reason


@pytest.mark.parametrize(("several", "words"), [(False, "one member per slide"), (True, "several members per slide")])
def test_the_card_states_how_many_members_predict_an_evaluated_slide(several, words):
    assert words in describe_calibration([member(0.5)], several=several).reported


def test_a_refitted_member_states_that_its_threshold_comes_from_the_model_before(tmp_path):
    write_rows(tmp_path / "fold_0", np.array([0.2, 0.8]), [0, 1])
    entry = {"fold": 0, "threshold": 0.4, "refit": {"epochs": 3}}
    (member,) = calibrate_members(tmp_path, {"classes": CLASSES, "per_fold": [entry]}, fit_temperatures=True)
    assert member.reason == (
        "2 validation slides; 20 are needed; from predictions before the refit on training and validation patients"
    )


def test_the_threshold_of_a_single_model_is_the_one_that_was_evaluated():
    found = ensemble_threshold([member(0.3)], Classification(CLASSES))
    assert found.value == 0.3 and "not evaluated" not in found.reason
    assert "1 of 1 members" in found.reason
