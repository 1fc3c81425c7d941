from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from oceanpath.artifacts import folds, predictions
from oceanpath.evaluation.levels import patient_level
from oceanpath.evaluation.report import build_report
from oceanpath.pipeline.stage import Quiet
from oceanpath.stages.eval.baselines import predict_baselines
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.tasks.classification import Classification

QUICK = EvalSettings(resamples=100)


def report(cohort):
    rows = read_rows(cohort.inputs["train"], cohort.inputs["split"])
    return rows, build_report(QUICK, rows, predict_baselines(rows, cohort.inputs, Quiet()))


def records(found):
    """Every record of a report."""
    if isinstance(found, dict):
        if "value" in found:
            yield found
        else:
            for value in found.values():
                yield from records(value)
    if isinstance(found, list):
        for value in found:
            yield from records(value)


def test_numbers_are_those_of_the_rows(make):
    rows, found = report(make())
    slide, patient = found["level"]["slide"], found["level"]["patient"]
    assert slide["auroc"]["value"] == pytest.approx(roc_auc_score(rows.targets, rows.values[:, 1]), abs=1e-12)
    assert slide["f1"]["value"] == pytest.approx(
        f1_score(rows.targets, rows.values.argmax(axis=1), average="macro"), abs=1e-12
    )
    assert (slide["auroc"]["n"], slide["auroc"]["n_patients"]) == (60, 30)
    assert (patient["auroc"]["n"], patient["auroc"]["n_patients"]) == (30, 30)
    assert [fold["n"] for fold in found["folds"]] == [20, 20, 20]
    own = rows.folds == 1
    expected = roc_auc_score(rows.targets[own], rows.values[own, 1])
    assert found["folds"][1]["auroc"]["value"] == pytest.approx(expected, abs=1e-12)
    assert found["folds"][1]["threshold"] == 0.5


def test_each_fold_decides_at_its_own_threshold(make):
    rows, found = report(make())
    cut = np.array([0.4, 0.5, 0.6])[rows.folds]
    called = rows.values[:, 1] >= cut
    point = found["operating_point"]
    assert point["slide"]["sensitivity"]["value"] == pytest.approx(called[rows.targets == 1].mean())
    assert point["thresholds"] == [0.4, 0.5, 0.6] and "inner validation" in point["rule"]
    grouped, _ = patient_level(QUICK, rows)
    assert grouped is not None
    assert grouped.folds.tolist() == [number % 3 for number in range(30)]  # patients come sorted: p00, p01, …
    cut = np.array([0.4, 0.5, 0.6])[grouped.folds]
    called = grouped.values[:, 1] >= cut
    assert point["patient"]["specificity"]["value"] == pytest.approx((~called[grouped.targets == 0]).mean())


def test_many_classes_have_no_operating_point(make):
    _, found = report(make(classes=("a", "b", "c")))
    assert found["operating_point"] is None and "sensitivity" not in found["level"]["slide"]
    assert found["level"]["slide"]["auroc"]["value"] > 0.7


def starts(found, word):
    return [note for note in found["notes"] if note.startswith(word)]


def test_a_model_below_its_baselines_is_called_worse_by_the_paired_interval(make):
    rows, found = report(make(skill=-1.0))
    assert len(starts(found, "worse_than_floor")) == 4
    record, floor = found["versus_baseline"]["mean_pool_lr"], found["floor"]["mean_pool_lr"]["auroc"]["value"]
    assert record["value"] == roc_auc_score(rows.targets, rows.values[:, 1]) - floor
    assert record["low"] < record["value"] < record["high"] < 0 and record["verdict"] == "worse"
    assert (record["n"], record["n_patients"], record["resamples"]) == (60, 30, 0) and record["p"] < 0.05


def test_a_model_just_below_a_baseline_is_not_called_worse(make):
    """The points differ, the interval of the difference includes 0: nothing is shown."""
    rows, _ = report(make(skill=1.2))
    logits = np.random.default_rng(1).normal(size=60) + 1.3 * rows.targets
    ahead = 1 / (1 + np.exp(-logits))
    found = build_report(QUICK, rows, dict.fromkeys(Classification.baselines, np.stack([1 - ahead, ahead], axis=1)))
    record = found["versus_baseline"]["mean_pool_lr"]
    assert record["value"] < 0 <= record["high"] and record["verdict"] == "not_shown_better"
    assert not starts(found, "worse_than_floor")
    (said,) = (note for note in starts(found, "not_shown_better_than_baseline") if "mean_pool_lr" in note)
    assert "the interval includes 0" in said and f"difference {record['value']:+.3f}" in said


def test_a_model_above_its_baselines_has_no_note(make):
    rows, _ = report(make(patients=60, skill=6))
    weak = np.random.default_rng(0).dirichlet([1.0, 1.0], len(rows.targets))
    found = build_report(QUICK, rows, dict.fromkeys(Classification.baselines, weak))
    assert found["notes"] == []
    assert {record["verdict"] for record in found["versus_baseline"].values()} == {"better"}


def test_a_baseline_that_cannot_be_compared_is_named_with_the_reason(make):
    rows, _ = report(make(patients=6))
    rows.frame["patient_id"] = "p00"
    found = build_report(QUICK, rows, dict.fromkeys(Classification.baselines, rows.values))
    assert {record["verdict"] for record in found["versus_baseline"].values()} == {"undetermined"}
    assert "mean_pool_lr: fewer than 4 patients of a class" in starts(found, "not_compared_with_baseline")[0]


def test_folds_on_other_scales_have_a_note_beside_the_area_within_folds(make):
    rows, found = report(make(patients=60, skill=0.8))
    assert not starts(found, "fold_scales_differ")
    scores = rows.values[:, 1] / 4 + 0.25 * rows.folds
    shifted = replace(rows, values=np.stack([1 - scores, scores], axis=1))
    apart = build_report(QUICK, shifted, dict.fromkeys(Classification.baselines, rows.values))
    (note,) = starts(apart, "fold_scales_differ")
    for level in ("slide", "patient"):
        within = apart["level"][level]["auroc_within_folds"]
        assert within["value"] == pytest.approx(found["level"][level]["auroc_within_folds"]["value"], abs=0.02)
        assert within["low"] < within["value"] < within["high"]
        assert apart["level"][level]["auroc"]["value"] < within["value"] - 0.05
    assert f"within folds {apart['level']['slide']['auroc_within_folds']['value']:.3f}" in note


def test_every_number_of_selected_rows_says_so(make):
    _, found = report(make(selected=True))
    assert all(record["selected"] is True for record in records(found))
    assert len(list(records(found))) > 60 and found["notes"][0].startswith("selected")


def test_honest_rows_do_not(make):
    _, found = report(make())
    assert not any("selected" in record for record in records(found))


def test_a_patient_with_two_labels_has_no_patient_level_and_the_report_says_why(make):
    cohort = make()
    frames = [folds.read_fold(cohort.inputs["split"], k) for k in range(3)]
    for frame in frames:
        frame.loc[0, "label"] = "pos"  # s000 of p00, whose other slide is neg
    folds.write_folds(cohort.inputs["split"], frames, {"scheme": "kfold", "classes": cohort.classes})
    tested = predictions.read_oof(cohort.inputs["train"], cohort.task)
    cohort.oof(label=tested["label"].where(tested["slide_id"] != "s000", "pos"))
    _, found = report(cohort)
    patient = found["level"]["patient"]["auroc"]
    assert patient["value"] is None and "different labels" in patient["reason"] and "p00" in patient["reason"]
    assert found["level"]["slide"]["auroc"]["value"] > 0.5
    assert any(note.startswith("conflicting_patient_labels") for note in found["notes"])
