"""What the bundle and its card say, for other studies than the usual one."""

from __future__ import annotations

import pytest

from oceanpath.artifacts.bundle.facts import (
    BundleFacts,
    Capping,
    EstimateFacts,
    Golden,
    Parity,
    ParityCase,
    StoredParity,
)
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.calibrate import calibrate_members, describe_calibration, ensemble_threshold
from oceanpath.stages.export.card import NAMES, render_card
from oceanpath.stages.export.card_text import join_numbers
from oceanpath.stages.export.contract import describe_contract
from oceanpath.stages.export.facts import describe_cohort, describe_performance, hash_slides, training_patients
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.classification import Classification

from .conftest import TASK


@pytest.fixture
def facts(study) -> BundleFacts:
    members = calibrate_members(study.train, read_cv_results(study.train), fit_temperatures=True)
    return BundleFacts(
        name="name",
        model={"name": "abmil"},
        classes=["NR", "R"],
        contract=describe_contract(Store(study.mmap), ExportSettings(), Inputs(), reads_coords=False),
        members=members,
        calibration=describe_calibration(members),
        threshold=ensemble_threshold(members, TASK),
        performance=describe_performance(read_metrics(study.eval), 2),
        cohort=describe_cohort(study.train, range(2), Store(study.mmap), TASK),
        parity=Parity(
            tolerance=1e-5,
            worst=1e-7,
            cases=[ParityCase(format="onnx", batch=1, patches=7, difference=1e-7)],
            stored=StoredParity(rows=60, total=60, differences={"onnx": 1e-7}),
        ),
        golden=Golden(patches=1, probabilities=[0.5, 0.5]),
        opset=20,
    )


def test_the_cohort_is_counted_once_over_the_folds(facts):
    assert facts.cohort.slides_per_class == {"NR": 32, "R": 28}
    assert (facts.cohort.slides, facts.cohort.patients, facts.cohort.patches_median) == (60, 30, 30)


def test_slides_that_are_only_tested_are_not_training_slides(study):
    holdout = describe_cohort(study.train, [0], Store(study.mmap), TASK)
    assert (holdout.slides, holdout.patients) == (30, 15) and sum(holdout.slides_per_class.values()) == 30


def test_an_undefined_number_keeps_its_reason(facts):
    card = render_card(facts)
    assert "| MCC | 0.810 (0.700 to 0.900) | undefined: one class only |" in card


def test_selected_numbers_carry_the_word(facts):
    assert "selected" not in render_card(facts)
    chosen = facts.model_copy(update={"performance": facts.performance.model_copy(update={"selected": True})})
    assert "## Performance (selected" in render_card(chosen)


def test_a_card_without_a_threshold_says_why(facts):
    none = ensemble_threshold(facts.members, Classification(["a", "b", "c"]))
    assert "Decision threshold: none, because a threshold needs exactly two classes" in render_card(
        facts.model_copy(update={"threshold": none})
    )


def test_a_bar_in_a_name_does_not_break_a_table(facts):
    renamed = facts.model_copy(update={"contract": facts.contract.model_copy(update={"encoder": "a|b"})})
    assert "| Encoder | a\\|b |" in render_card(renamed)


def test_sensitivity_and_specificity_at_the_thresholds_are_recorded(study):
    record = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 60}
    point = {"slide": {"sensitivity": record, "specificity": {**record, "value": 0.75}, "ppv": record}}
    metrics = {**read_metrics(study.eval), "operating_point": point}
    found = describe_performance(metrics, 2).decisions
    assert {name: (one.value, one.low, one.high) for name, one in found.items()} == {
        "sensitivity": (0.8, 0.7, 0.9),
        "specificity": (0.75, 0.7, 0.9),
    }
    assert describe_performance({**metrics, "operating_point": None}, 2).decisions == {}


def test_one_model_alone_was_evaluated_itself(study):
    assert "metrics are those of the model" in describe_performance(read_metrics(study.eval), 1).meaning


def test_the_meaning_of_the_metrics_depends_on_how_many_members_predict_a_slide(study):
    metrics = read_metrics(study.eval)
    assert "of single members" in describe_performance(metrics, 2).meaning
    assert "smaller ensembles" in describe_performance({**metrics, "scheme": "nested"}, 6).meaning
    record = {"value": 0.9, "low": 0.85, "high": 0.94}
    models = {"fewest": 1, "median": 2.0, "most": 4}
    ensemble = {"models": models, "slide": {"auroc": record}, "patient": {"auroc": record}}
    repeated = {**metrics, "scheme": "mccv", "repeats": 10, "ensemble": ensemble}
    meaning = describe_performance(repeated, 10).meaning
    assert "means over 10 repeats" in meaning and "AUROC is 0.900 (0.850 to 0.940)" in meaning
    assert "from 1 to 4 of 10" in meaning


def test_training_slides_are_those_that_a_member_was_fitted_to(study):
    store = Store(study.mmap)
    known = hash_slides(study.inputs(), sorted(training_patients(study.train, range(2))), store)
    assert len(known.bags) == 60  # with two folds each slide trains the other
    assert all(known.contains(store.stored(i)) for i in range(60))
    only_tested = hash_slides(study.inputs(), sorted(training_patients(study.train, range(1))), store)
    assert [only_tested.contains(store.stored(i)) for i in range(4)] == [False, True, False, True]


def test_the_card_has_a_row_per_metric_with_both_levels(facts):
    values = {name: EstimateFacts(value=0.5, low=0.25, high=0.75) for name in NAMES}
    performance = facts.performance.model_copy(update={"slide": values, "patient": values | {"auprc": None}})
    rows = render_card(facts.model_copy(update={"performance": performance})).splitlines()
    both = "0.500 (0.250 to 0.750)"
    for title in ("AUROC", "Balanced accuracy", "F1", "MCC", "Brier score", "ECE"):
        assert f"| {title} | {both} | {both} |" in rows
    assert f"| AUPRC | {both} | undefined |" in rows
    assert f"| Sensitivity | {both} | {both} |" in rows
    assert f"| Specificity | {both} | {both} |" in rows


@pytest.mark.parametrize(
    ("strategy", "how"),
    [("random", "at random"), ("spatial_stratified", "evenly over a grid of 8 x 8 cells")],
)
def test_the_card_states_how_patches_are_sampled(facts, strategy, how):
    cap = Capping(max_patches=20, strategy=strategy, grid=8, seed=3, golden_rows=[0])
    card = render_card(facts.model_copy(update={"contract": facts.contract.model_copy(update={"cap": cap})}))
    assert f"| Patches used | at most 20, sampled {how} by slide id (seed 3), as in the evaluation |" in card


@pytest.mark.parametrize(("numbers", "text"), [([7], "7"), ([1, 7], "1 and 7"), ([1, 2, 7], "1, 2 and 7")])
def test_numbers_are_listed_as_in_a_sentence(numbers, text):
    assert join_numbers(numbers) == text


def test_patients_of_the_pretraining_are_stated_with_the_metrics(study):
    metrics = read_metrics(study.eval)
    words = " 3 of the tested patients were used for pretraining, so no metric is unbiased."
    assert describe_performance({**metrics, "seen_in_pretraining": 3}, 2).meaning.endswith(words)
    for none in ({}, {"seen_in_pretraining": 0}):
        assert "pretraining" not in describe_performance({**metrics, **none}, 2).meaning


def test_the_performance_is_that_of_the_metrics_file(study):
    metrics = read_metrics(study.eval)
    found = describe_performance({**metrics, "selected": True}, 2, has_external=True)
    assert found.selected and "evaluated on external cohorts only" in found.meaning
    assert set(found.slide) == set(NAMES) & set(metrics["level"]["slide"])
    assert found.floor_auroc.keys() == metrics["floor"].keys()
    auroc = found.slide["auroc"]
    assert (auroc.value, auroc.low, auroc.high, auroc.n, auroc.reason) == (0.81, 0.7, 0.9, 60, "")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"value": 0.9, "low": 0.85, "high": 0.94}, "the slide-level AUROC is 0.900 (0.850 to 0.940)."),
        ({"value": 0.9, "low": None}, "the slide-level AUROC is 0.900."),
        ({"value": None}, "the slide-level AUROC is undefined."),
    ],
)
def test_the_ensemble_of_repeats_is_stated_as_far_as_it_is_defined(study, record, text):
    ensemble = {"models": {"fewest": 1, "most": 4}, "slide": {"auroc": record}}
    metrics = {**read_metrics(study.eval), "scheme": "mccv", "repeats": 10, "ensemble": ensemble}
    assert describe_performance(metrics, 10).meaning.endswith(text)


@pytest.mark.parametrize(("fewest", "counts"), [(3, "(3 of 15)"), (2, "(from 2 to 3 of 15)")])
def test_trainings_with_different_seeds_are_counted(study, fewest, counts):
    record = {"value": 0.9, "low": 0.85, "high": 0.94}
    ensemble = {"models": {"fewest": fewest, "most": 3}, "slide": {"auroc": record}}
    metrics = {**read_metrics(study.eval), "repeats": 3, "ensemble": ensemble, "seeds": [0, 1, 2]}
    meaning = describe_performance(metrics, 15).meaning
    assert "3 trainings with different seeds" in meaning and counts in meaning
