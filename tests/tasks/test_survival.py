"""Survival: labels from two columns, each problem by its own words, strata, horizons and evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
from oceanpath.errors import ArtifactError, ExperimentError, StageError, together
from oceanpath.stages.tables import DataSettings
from oceanpath.stats.resample import draw_patients
from oceanpath.stats.survival.concordance import harrell, uno
from oceanpath.stats.survival.kaplan_meier import censoring_curve
from oceanpath.tasks.registry import make_task, read_task
from oceanpath.tasks.survival import Survival
from oceanpath.tasks.survival_labels import signed_times, times_and_events

KEYS = {"time": "months", "event": "status", "event_value": "0", "time_unit": "months"}


def read(folder: Path, rows: list[tuple[str, str]], **keys):
    lines = [f"s{number},p{number},{time},{event}" for number, (time, event) in enumerate(rows)]
    (folder / "t.csv").write_text("\n".join(["slide_id,patient_id,months,status", *lines]))
    return read_cohort(folder / "t.csv", TableQuery(target=make_task("survival", {**KEYS, **keys})))


def test_a_label_is_a_time_with_a_plus_sign_where_it_is_censored(tmp_path: Path) -> None:
    table = read(tmp_path, [("12.5", "0"), ("60", "1"), ("", "1"), ("3", ""), ("7", "0.0")])
    assert table.labels == ["12.5", "60+", "", "", "7"] and not table.problems
    signed = signed_times(["12.5", "60+", "7"])
    assert signed.tolist() == [12.5, -60, 7]
    assert times_and_events(signed)[1].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("12", "0"), ("x", "1")], ["times are not numbers", "'x' in line 3", "Leave the cell empty"]),
        ([("12", "0"), ("1;5", "1")], ["times are not numbers"]),
        ([("12", "0"), ("nan", "1")], ["times are not numbers"]),
        ([("12", "0"), ("-3", "1")], ["times are negative", "'-3' in line 3"]),
        ([("12", "0"), ("0.0", "1")], ["times are zero", 'data.zero_time = "drop"']),
        ([("12", "0"), ("3", "0")], ["the event column has one value"]),
        ([("12", "1"), ("3", "1")], ["no row has data.event_value", "'1' (2)"]),
        ([("12", "0"), ("3", "1"), ("4", "unknown")], ["more than two values", "'unknown' (1)"]),
        ([("x", "0"), ("-1", "0"), ("0", "0")], ["not numbers", "negative", "zero", "one value"]),
    ],
)
def test_each_problem_of_times_and_events_has_its_own_words(tmp_path: Path, rows, words) -> None:
    text = together(read(tmp_path, rows).problems).render()
    assert all(word in text for word in words), text


def test_a_time_of_zero_is_left_out_on_request(tmp_path: Path) -> None:
    table = read(tmp_path, [("12", "0"), ("0", "1"), ("5", "1")], zero_time="drop")
    task = make_task("survival", {**KEYS, "zero_time": "drop"})
    assert not table.problems and table.labels == ["12", "0", "5+"]
    assert [task.is_valid(label) for label in table.labels] == [True, False, True]
    assert task.left_out("0") == "with a time of zero (data.zero_time)" and not task.left_out("5+")


def test_missing_columns_are_named_with_the_likely_ones(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("slide_id,patient_id,survival_months,censorship\ns,p,3,1\n")
    text = together(read_cohort(tmp_path / "t.csv", TableQuery(target=make_task("survival", KEYS))).problems).render()
    assert 'Set data.time = "survival_months"' in text and 'Set data.event = "censorship"' in text


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"task": "survival"}, "needs data.time, data.event, data.event_value and data.time_unit"),
        ({"task": "survival", **KEYS, "event_value": ""}, "needs data.event_value"),
        ({"task": "survival", **KEYS, "label": "stage"}, "label: not a key of the task survival"),
        ({"task": "survival", **KEYS, "classes": ["a", "b"]}, "classes: not a key of the task survival"),
        ({"time": "months"}, "time: not a key of the task classification"),
        ({"task": "survival", **KEYS, "horizons": [5, 3]}, "horizons must rise"),
        ({"task": "binary", "classes": ["a", "b", "c"]}, "the task binary needs two classes; data.classes has 3"),
        ({"task": "multiclass", "classes": ["a", "b"]}, "multiclass needs three or more classes; data.classes has 2"),
    ],
)
def test_keys_that_do_not_fit_the_task_are_errors(keys, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataSettings.model_validate(keys)


def test_binary_and_multiclass_are_classification() -> None:
    for name, classes in (("binary", ["a", "b"]), ("multiclass", ["a", "b", "c"])):
        assert DataSettings.model_validate({"task": name, "classes": classes}).task == "classification"
    assert DataSettings.model_validate({"task": "survival", **KEYS, "event_value": 0}).event_value == "0"
    assert DataSettings.model_validate({"task": "survival", **KEYS}).target_keys == KEYS


RANDOM = np.random.default_rng(4)
TIMES, CENSORED = RANDOM.exponential(20, 200) + 1, RANDOM.random(200) < 0.5
LABELS = [f"{time:.1f}{'+' if censored else ''}" for time, censored in zip(TIMES, CENSORED, strict=True)]


def test_strata_are_events_and_censored_slides_divided_at_their_medians() -> None:
    task = Survival("months")
    strata = task.strata(LABELS)
    counts = np.bincount(strata.rows)
    assert strata.names == ("event, early", "event, late", "censored, early", "censored, late")
    assert abs(counts[0] - counts[1]) <= 4 and abs(counts[2] - counts[3]) <= 4  # ties
    assert all(label.endswith("+") == (row >= 2) for label, row in zip(LABELS, strata.rows, strict=True))
    assert task.strata(LABELS[:10]).names == ("event", "censored")


def test_horizons_are_within_the_observed_times() -> None:
    found = Survival("months").for_cohort(LABELS)
    time, event = times_and_events(found.targets(LABELS))
    assert 5 <= len(found.horizons) <= 9 and time[event].min() < found.horizons[0]
    assert (time >= found.horizons[-1]).mean() >= 0.1
    assert (
        read_task(found.record(), "x").columns
        == found.columns
        == ["risk", *(f"survival_{h:g}" for h in found.horizons)]
    )
    assert Survival("months", [5.0, 10.0]).for_cohort(LABELS).horizons.tolist() == [5, 10]
    with pytest.raises(ExperimentError, match="horizon is not observed"):
        Survival("months", [5.0, 1000.0]).for_cohort(LABELS)
    with pytest.raises(ArtifactError, match="horizons"):
        read_task({"task": "survival"}, "x")


def test_metrics_use_the_censoring_of_the_training_rows_of_each_fold() -> None:
    task = Survival("months").for_cohort(LABELS)
    targets = task.targets(LABELS)
    (time, event), folds = times_and_events(targets), np.arange(200) % 2
    values = task.fit_baseline(RANDOM.normal(size=(200, 3)).astype(np.float32), targets, np.zeros((1, 3), np.float32))
    values = np.repeat(values, 200, axis=0) + np.c_[np.log(60 / time), np.zeros((200, len(task.horizons)))]
    drawn = draw_patients([str(k // 2) for k in range(200)], task.resampling_strata(targets), resamples=100)
    training = [targets[folds != k] for k in (0, 1)]
    found = task.with_training(training).evaluate(targets, values, drawn, folds)
    assert set(task.metrics) == set(found.values)
    assert found.values["c_index"] == pytest.approx(harrell(time, event, values[:, 0]).value, abs=1e-6)
    for k in (0, 1):
        own = folds == k
        part = draw_patients([str(i) for i in range(100)], task.resampling_strata(targets[own]), resamples=100)
        curve = censoring_curve(*times_and_events(training[k]))
        expected = uno(time[own], event[own], values[own, 0], curve, task.horizons[-1]).value
        found = task.with_training(training).evaluate(targets[own], values[own], part, folds[own])
        assert found.values["c_uno"] == pytest.approx(expected, abs=1e-6)
        estimate = found.estimate("c_index")
        assert estimate.low is not None and estimate.high is not None and estimate.value is not None
        assert estimate.low <= estimate.value <= estimate.high
    assert found.estimate("d_calibration_p").reason == "a p-value has no interval"


def test_the_baseline_without_features_is_kaplan_meier() -> None:
    task = Survival("months", [5.0, 20.0])
    targets = task.targets(LABELS)
    constant = task.constant_baseline([targets, targets])
    assert constant[0] == 0 and (np.diff(constant[1:]) <= 0).all()
    drawn = draw_patients([str(k) for k in range(200)], task.resampling_strata(targets), resamples=100)
    found = task.evaluate(targets, np.tile(constant, (200, 1)), drawn)
    assert found.values["c_index"] == 0.5 and found.values["ibs_scaled"] == pytest.approx(0)


def test_training_needs_two_events_and_a_later_time() -> None:
    task = Survival("months")
    with pytest.raises(StageError, match="fewer than two training slides have an event"):
        task.validate_training(np.array([3.0, -5, -6]), "fold 1")
    with pytest.raises(StageError, match="no training slide was observed after the first event"):
        task.validate_training(np.array([3.0, 3.0, -3]), "fold 1")


def test_an_external_cohort_may_have_events_only_but_no_third_value(tmp_path: Path) -> None:
    task = make_task("survival", KEYS).of_external_cohort()
    for cells, problems in ((["0", "0"], 0), (["1", "1"], 0), (["0", "1", "?"], 1)):
        lines = [f"s{number},p{number},{number + 1},{cell}" for number, cell in enumerate(cells)]
        (tmp_path / "t.csv").write_text("\n".join(["slide_id,patient_id,months,status", *lines]))
        assert len(read_cohort(tmp_path / "t.csv", TableQuery(target=task)).problems) == problems


def test_a_review_states_survival_and_how_probable_the_observation_was() -> None:
    task = Survival("months", [10.0, 20.0])
    values = np.array([[1.0, 0.4, 0.2], [-1.0, 0.9, 0.8]])
    review = task.review(["10", "20+"], values)
    assert review.decided == ["survival 0.20 at 20 months", "survival 0.80 at 20 months"]
    assert review.certainty.tolist() == pytest.approx([0.6, 0.8]) and review.is_correct.all()
    assert task.caption("20+", review.decided[1], 0.8).startswith("censored at 20 months, predicted survival 0.80")


def test_risk_groups_are_divided_at_the_median_risk_of_validation_rows() -> None:
    task = Survival("months", [10.0, 20.0])
    values = np.column_stack([np.linspace(-1, 1, 200), np.full((200, 2), 0.5)])
    assert task.decision_facts(values, task.targets(LABELS)) == {"risk_threshold": pytest.approx(0)}
    rule = task.decision_rule([{"risk_threshold": 0.0}, {"risk_threshold": 5.0}])
    assert rule is not None
    folds = np.repeat([0, 1], 100)
    assert task.high_risk(rule, values, folds).sum() == 0 and task.high_risk(rule, values, 1 - folds).sum() == 100
    order = np.argsort(-np.abs(task.targets(LABELS)))  # the highest risk has the earliest time
    targets, folds = task.targets(LABELS)[order], np.zeros(200, np.int64)
    drawn = draw_patients([str(k) for k in range(200)], task.resampling_strata(targets), resamples=100)
    found = task.evaluate_decisions(rule, (targets, values, folds), drawn, 0.95)
    difference, p = found["rmst_difference"], found["log_rank_p"].value
    assert p is not None and p < 1e-6
    assert difference.high is not None and difference.high < 0
    twice = draw_patients([str(k // 2) for k in range(200)], task.resampling_strata(targets), resamples=100)
    found = task.evaluate_decisions(rule, (targets, values, folds), twice, 0.95)
    assert found["log_rank_p"].reason == "the test needs one row per patient"
